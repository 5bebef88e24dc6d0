"""The program that reads what people upload: `python -m sessions.files.converter`, a process per file.

It reads the file from its standard input, and writes a line of JSON and then the text or the image. It gets no
database, no key and no other file, limits its own memory and time before it reads a byte, and refuses to open
connections or start programs (`limits`). Nothing here imports Django: a process should be ready at once.
"""
