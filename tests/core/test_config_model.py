"""Classes of configurations as a connector's author writes them."""

import pickle
import subprocess
import sys
from typing import Any, ClassVar, Literal

import pytest

from file_cdk import ConfigError, ConfigModel, Field, SourceConfig, field_validator, model_validator, secret_field
from file_cdk.core.config import parse_config
from file_cdk.core.config.model import fields_of


class Login(ConfigModel):
    user: str
    password: str = secret_field("Password", "What opens it.", default="")


class Bucket(ConfigModel):
    kinds: ClassVar[tuple[str, ...]] = ("a", "b")

    name: str = Field(title="Name", min_length=1)
    login: Login | None = Field(default=None, repr=False)
    ports: list[int] = Field(default_factory=lambda: [22])

    @model_validator(mode="before")
    @classmethod
    def _of_older_versions(cls, raw: Any) -> Any:
        return {**raw, "name": raw["bucket"]} if isinstance(raw, dict) and "bucket" in raw else raw

    @field_validator("ports", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, int) else value

    @field_validator("name")
    @classmethod
    def _without_blanks(cls, value: str) -> str:
        if " " in value:
            raise ValueError("cannot have blanks in it")
        return value.lower()

    @model_validator(mode="after")
    def _ports_are_few(self) -> None:
        if len(self.ports) > 2:
            raise ValueError("has too many ports")


class Region(Bucket):
    name: str = "everywhere"
    zone: str

    @field_validator("zone", "name")
    @classmethod
    def _without_dots(cls, value: str) -> str:
        if "." in value:
            raise ValueError("cannot have dots in it")
        return value


def test_all_faults_are_told_at_once_and_no_value() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(Bucket, {"name": "", "login": {"password": 7}, "ports": ["x"]})
    assert str(caught.value) == (
        "invalid configuration: name: must have at least 1 character; login.user: is missing; "
        "login.password: must be text; "
        "ports[0]: must be a whole number"
    )


def test_validators_run_before_and_after_the_types() -> None:
    assert Bucket(bucket="Shop", ports=5) == Bucket(name="shop", ports=[5])  # type: ignore[call-arg, arg-type]
    assert parse_config(Bucket, {"bucket": "Shop", "ports": "x5"[1:].split()}).ports == [5]
    for raw, fault in (
        ({"name": "a b"}, "name: cannot have blanks in it"),
        ({"name": "a", "ports": [1, 2, 3]}, "config: has too many ports"),
        ({"name": "a b", "ports": [1, 2, 3]}, "name: cannot have blanks in it"),
        (["name"], "config: must be a mapping"),
    ):
        with pytest.raises(ConfigError) as caught:
            parse_config(Bucket, raw)  # type: ignore[arg-type]
        assert str(caught.value) == f"invalid configuration: {fault}"


def test_defaults_are_of_each_instance_and_not_looked_at() -> None:
    one, other = Bucket(name="a"), Bucket(name="a")
    assert one.ports == other.ports == [22]
    assert one.ports is not other.ports
    assert Region(zone="z").name == "everywhere"


def test_a_class_has_fields_and_validators_of_its_base() -> None:
    assert list(fields_of(Region)) == ["name", "login", "ports", "zone"]
    with pytest.raises(ConfigError) as caught:
        parse_config(Region, {"name": "a b", "zone": "a.b"})
    assert str(caught.value) == "invalid configuration: name: cannot have blanks in it; zone: cannot have dots in it"
    with pytest.raises(ConfigError, match="name: cannot have dots in it"):
        Region(name="a.b", zone="z")


def test_instances_do_not_change() -> None:
    bucket = Bucket(name="a")
    with pytest.raises(AttributeError):
        bucket.name = "b"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del bucket.name
    assert bucket.replace(name="b") == Bucket(name="b")
    assert bucket == Bucket(name="a")
    with pytest.raises(TypeError, match="nam"):
        bucket.replace(nam="b")


def test_equal_ones_of_one_class_are_equal() -> None:
    assert Login(user="a") == Login(user="a") != Login(user="b")
    assert hash(Login(user="a")) == hash(Login(user="a"))
    assert Region(zone="a") != Bucket(name="everywhere")


def test_secrets_do_not_show() -> None:
    login = Login(user="ada", password="hunter2")
    assert repr(login) == "Login(user='ada')"
    assert "hunter2" not in repr(Bucket(name="a", login=login))
    assert Bucket(name="a", login=login).as_dict() == {
        "name": "a",
        "login": {"user": "ada", "password": "hunter2"},
        "ports": [22],
    }


def test_pickles_need_no_validation() -> None:
    """A worker process gets what is valid: it neither looks at annotations nor runs a validator."""
    config = Bucket(name="a", login=Login(user="b"))
    copied = pickle.loads(pickle.dumps(config))
    assert copied == config
    program = (
        "import pickle, sys; from file_cdk.core.config import CsvConfig; "
        "pickle.loads(bytes.fromhex(sys.argv[1])); print('_shape' in vars(CsvConfig))"
    )
    from file_cdk.core.config import CsvConfig

    data = pickle.dumps(CsvConfig(delimiter=";")).hex()
    ran = subprocess.run([sys.executable, "-c", program, data], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_what_a_class_cannot_say_is_told_to_its_author() -> None:
    class Untold(ConfigModel):
        when: complex

    class Shadowing(ConfigModel):
        replace: str = "a"  # type: ignore[assignment]

    class Plain(ConfigModel):
        kind: Literal["plain"] = "plain"

    class Other(ConfigModel):
        sort: Literal["other"] = "other"

    class Torn(ConfigModel):
        either: Plain | Other

    for model, told in (
        (Untold, "Untold.when: a configuration cannot hold <class 'complex'>"),
        (Shadowing, "Shadowing.replace: a field cannot be called so"),
        (Torn, "Torn.either: what tells Plain, Other apart is a Literal field of all"),
    ):
        with pytest.raises(TypeError) as caught:
            fields_of(model)
        assert str(caught.value).startswith(told)


def test_what_is_imported_from_pydantic_is_refused() -> None:
    told = type("FieldInfo", (), {"__module__": "pydantic.fields"})

    class Older(ConfigModel):
        name: str = told()

    class Checked(ConfigModel):
        name: str
        _is_name = told()

    for model, at in ((Older, "name"), (Checked, "_is_name")):
        with pytest.raises(TypeError, match=rf"{model.__name__}\.{at}: .* import Field and the like from file_cdk"):
            fields_of(model)


def test_a_source_says_what_is_missing() -> None:
    class ZipConfig(SourceConfig):
        archive: str

    with pytest.raises(ConfigError) as caught:
        parse_config(ZipConfig, {})
    assert str(caught.value) == "invalid configuration: streams: is missing; archive: is missing"
