"""Checks every call of the library against its annotated types and shapes while these tests run.

The hook rewrites modules as they are imported, so it stands here, where pytest reads it before any test.
"""

import random
import sys
from types import ModuleType

from beartype import BeartypeConf, beartype
from beartype._check.code import codemain
from jaxtyping import install_import_hook

# Of a list the checker looks at one item, drawn at random. It must not draw from the generator that programs
# use, or a test would see other random numbers than a user.
codemain.getrandbits = random.Random(0).getrandbits

checker = ModuleType("shape_checker")
checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is welcome where a float is
sys.modules[checker.__name__] = checker
install_import_hook("shared", "shape_checker.check")
