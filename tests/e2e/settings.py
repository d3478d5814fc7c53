"""settings.py - an lb.conf from Python values.

Owns     the spelling of libconfig: groups, lists, arrays, 64-bit integers, quoted strings.
Used by  ringmaster.py and the tests that change a setting and reload.
"""


def _text(value):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _value(value, indent):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value}L" if not -(2**31) <= value < 2**31 else str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        inner = "".join(f"{indent}    {name} = {_value(v, indent + '    ')};\n" for name, v in value.items())
        return "{\n" + inner + indent + "}"
    if isinstance(value, (list, tuple)):
        items = ", ".join(_value(v, indent) for v in value)
        groups = value and isinstance(value[0], dict)
        return f"( {items} )" if groups else f"[ {items} ]"
    raise TypeError(f"no libconfig spelling for {value!r}")


def lb_conf(settings):
    """The text of an lb.conf with these settings: one option a line."""
    return "".join(f"{name} = {_value(value, '')};\n" for name, value in settings.items())


def merged(base, changes):
    """base with changes laid over it, group by group. A change of None takes the option out. Neither is
    altered."""
    result = dict(base)
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        else:
            result[name] = value
    return result
