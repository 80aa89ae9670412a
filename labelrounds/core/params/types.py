"""What sections are made of: the model of a section, and the types of their values."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from labelrounds.core import registry


class Section(BaseModel):
    """A section: no key that it does not know, no value of another type (an int is a float too, a bool is neither), no change later."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Texts = Annotated[tuple[str, ...], Field(strict=False)]  # not strict: YAML has lists alone
Numbers = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(strict=False)]
Name = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")]  # of a folder in models/ and a file in metrics/

if TYPE_CHECKING:
    Method = Strategy = str
else:  # whichever modules there are
    Method, Strategy = (Literal[registry.names(folder)] for folder in (registry.METHODS, registry.STRATEGIES))
