from typing import get_args

from pulsebot.rules.conditions import CONDITIONS, AnyCondition


def test_the_table_and_the_union_name_the_same_conditions() -> None:
    """A condition that is in one of the two is in the other, under its own `type`."""
    union = get_args(get_args(AnyCondition)[0])
    assert set(union) == set(CONDITIONS.values())
    for name, condition in CONDITIONS.items():
        assert get_args(condition.model_fields["type"].annotation) == (name,)


def test_every_condition_says_what_it_is_for() -> None:
    """The first line of a condition's docstring is its help."""
    assert all(condition.__doc__ for condition in CONDITIONS.values())
