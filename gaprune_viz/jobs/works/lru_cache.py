"""The most recently used values, a few of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cache(Generic[T]):
    """The most recently used values, a few of them; a value is made once even when two people ask at the same time."""

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._values: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value under a key, made where it is missing. What `make` raises is raised, and nothing is kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            value = make()
            self.put(key, value)
            return value

    def put(self, key: Hashable, value: T) -> None:
        """Keep a value under a key, whatever was there."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            self._making.pop(key, None)
            while len(self._values) > self.largest:
                self._values.popitem(last=False)

    def clear(self) -> None:
        """Let go of all values; who uses one keeps it."""
        with self._lock:
            self._values.clear()

    def peek(self, key: Hashable) -> T | None:
        """The value under a key, or None."""
        with self._lock:
            return self._values.get(key)
