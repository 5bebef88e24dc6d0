"""Images: checked, turned upright, scaled, and written again, which removes metadata and all else in the file."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from sessions.files.converter.results import MAX_IMAGE_SIDE, Converted, NotConverted

MAX_PIXELS = 64_000_000
"""Decoded, this takes half of the memory limit."""

MAX_IMAGE_BYTES = 3_700_000
"""Providers take 5 MB, in base64."""

STORED_AS = {"PNG": "PNG", "GIF": "PNG", "JPEG": "JPEG", "WEBP": "WEBP"}
QUALITY = 90
LOWER_QUALITIES = (85, 70, 50)


def convert_image(content: bytes, image_format: str) -> Converted:
    """Return the image to store. Raises NotConverted, and Pillow's errors for a damaged image."""
    try:
        return converted(content, image_format)
    except MemoryError as error:
        raise NotConverted("image_memory") from error


def converted(content: bytes, image_format: str) -> Converted:
    warnings.simplefilter("ignore")  # of bombs: the size is checked here
    Image.MAX_IMAGE_PIXELS = None
    image = Image.open(io.BytesIO(content), formats=[image_format])
    if image.width * image.height > MAX_PIXELS:
        raise NotConverted("pixels")
    stored = upright(image)
    media_type, data = encoded(stored, STORED_AS[image_format])
    return Converted(media_type, image=data, width=stored.width, height=stored.height)


def upright(image: Image.Image) -> Image.Image:
    """Return the first frame, scaled and turned, in a plain colour mode and without metadata."""
    orientation = image.getexif().get(0x0112)
    image.draft("RGB", (MAX_IMAGE_SIDE, MAX_IMAGE_SIDE))  # a JPEG is decoded in a smaller size
    image.load()
    plain = in_plain_mode(image)
    plain.thumbnail((MAX_IMAGE_SIDE, MAX_IMAGE_SIDE), Image.Resampling.LANCZOS)
    if orientation:
        plain.getexif()[0x0112] = orientation
        ImageOps.exif_transpose(plain, in_place=True)
    stripped = Image.new(plain.mode, plain.size)
    stripped.paste(plain)
    return stripped


def in_plain_mode(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value / 256).convert("L")
    if image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    return image if image.mode in ("L", "RGB") else image.convert("RGB")


def encoded(image: Image.Image, image_format: str) -> tuple[str, bytes]:
    """Return the media type and the bytes; what is too large for providers becomes a JPEG, on white."""
    data = saved(image, image_format, QUALITY)
    if len(data) > MAX_IMAGE_BYTES:
        image_format, opaque = "JPEG", on_white(image)
        for quality in LOWER_QUALITIES:
            data = saved(opaque, image_format, quality)
            if len(data) <= MAX_IMAGE_BYTES:
                break
    return f"image/{image_format.lower()}", data


def on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    opaque = Image.new("RGB", image.size, "white")
    opaque.paste(image, mask=image.getchannel("A"))
    return opaque


def saved(image: Image.Image, image_format: str, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=image_format, **({} if image_format == "PNG" else {"quality": quality}))
    return buffer.getvalue()
