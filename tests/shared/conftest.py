"""Checks every call of the library against its annotated types and shapes while these tests run.

The hook rewrites modules as they are imported, so it stands here, where pytest reads it before any test module.
"""

from jaxtyping import install_import_hook

install_import_hook("shared", "beartype.beartype")
