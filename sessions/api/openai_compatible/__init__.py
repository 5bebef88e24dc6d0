"""Rooms and agents behind OpenAI's chat completions API, for clients of that API."""
