"""Statements that the ORM compiles, and their time limit."""
