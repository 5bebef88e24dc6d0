"""Contents of files: their conversion in a child process (`converter`), and where they are stored."""
