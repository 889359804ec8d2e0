"""A problem spec refuses what its requests could not carry."""

import pytest
from pydantic import ValidationError

from training.problem import RequestField


@pytest.mark.parametrize("name", ['si"te', "si\\te", "si\nte", ""])
def test_a_field_whose_name_no_request_can_carry_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        RequestField(name=name, dtype="string", description="The site", example="north")
