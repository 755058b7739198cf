"""Texts of a manifest with expressions in them: `Template` for one, `Condition` for a truth, `compiled` for anything nested.

Plain look-ups are followed here; anything else is Jinja2's, in a sandbox whose bounds are in `sandbox`, imported when a
manifest has such an expression. Nothing here logs or shows a value of a scope.
"""

from file_cdk.declarative.templates.macros import MACROS
from file_cdk.declarative.templates.nested import Compiled, compiled
from file_cdk.declarative.templates.template import Condition, Scope, Template

FUNCTION_NAMES = frozenset(MACROS)
"""Of what a template may call that is in no scope."""

__all__ = ["FUNCTION_NAMES", "Compiled", "Condition", "Scope", "Template", "compiled"]
