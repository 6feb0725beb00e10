"""Helpers for a developer's machine; nothing in `src` imports them and no image contains them."""
