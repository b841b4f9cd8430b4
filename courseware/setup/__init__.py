"""Makes and renews the course's own Python environment, with nothing but the standard library.

`bootstrap.py` brings a supported Python here; `commands` reads what is asked for; `environment` decides
what has to be done and does it; `pip` runs pip calmly; `lockfile` knows the exact versions.
"""
