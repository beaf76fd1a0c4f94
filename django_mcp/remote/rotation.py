"""Everything that is sealed, sealed anew under SECRET_KEY, so that a fallback can be taken away."""

from __future__ import annotations

from typing import Any

from .models import Attempt, Connection, Registration, RemoteServer
from .sealing import sealed_anew


def rotate() -> tuple[int, int]:
    """How many rows were sealed anew, and how many no key opens; these stay as they are.

    A row that was changed meanwhile is under the new key already. Running it again does no harm.
    """
    done = lost = 0
    models: tuple[Any, ...] = (RemoteServer, Registration, Connection, Attempt)
    for model in models:
        for pk in list(model.objects.exclude(sealed="").values_list("pk", flat=True)):
            sealed = model.objects.filter(pk=pk).values_list("sealed", flat=True).first()
            anew = sealed_anew(sealed or "")
            if anew is None:
                lost += 1
            else:
                done += model.objects.filter(pk=pk, sealed=sealed).update(sealed=anew)
    return done, lost
