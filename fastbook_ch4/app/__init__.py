"""The page of `ch4 app`: a person draws or uploads a digit and sees what the model makes of it.

Written by hand: `page` puts it in words, `server` hands it out, and `static/` is what runs in the
browser."""
from .server import serve

__all__ = ['serve']
