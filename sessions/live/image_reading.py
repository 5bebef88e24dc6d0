"""Read images for requests to models, from the storage of files."""

from __future__ import annotations

import base64
import logging

from orchestration.engine.specs import FileSpec
from orchestration.gateway.images import ImageMissing
from sessions.files.storage import content_open
from web.errors import PantheonError

log = logging.getLogger(__name__)


def image_read(image: FileSpec) -> str:
    """Return an image in Base64. Raises ImageMissing."""
    try:
        with content_open(image.content) as content:
            return base64.b64encode(content.read()).decode("ascii")
    except (OSError, PantheonError) as error:
        log.error("the content of file %s (%s) cannot be read: %s", image.id, image.content, error)
        raise ImageMissing(
            f"The image {image.name} cannot be read: its content is missing in the file storage. Attach it again."
        ) from error
