"""Files as the API answers them."""

from __future__ import annotations

from sessions.models import File
from web.api.shapes import Shape, count, identifier, moment, one_of, text


class MessageFileShape(Shape):
    # Rendered from a `File`.
    id = identifier("The file.", of="pk")
    name = text("Its name.")
    media_type = text("Its type, detected from the content.")
    kind = one_of("`image`, or `text` that was extracted from a document.", *File.Kind.values)
    bytes = count("Size of the stored content.")
    tokens = count("Estimated tokens that it takes in each request.")


class FileShape(MessageFileShape):
    sha256 = text("SHA-256 of the stored content, hexadecimal.")
    pages = count("Pages, slides or sheets; null for other files.", allow_null=True)
    width = count("Pixels of an image; null for other files.", allow_null=True)
    height = count("Pixels of an image; null for other files.", allow_null=True)
    created_at = moment("Time of the upload.")
