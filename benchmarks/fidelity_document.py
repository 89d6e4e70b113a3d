from typing import Any
def render(found: dict[str, Any]) -> str:
    return str(found)
