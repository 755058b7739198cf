"""What a source asks of its user: the schema of its configuration, its OAuth screens, and how older configurations become new."""

from typing import Annotated, Any, Literal

from file_cdk.declarative.components.component import Component, names_of_types
from file_cdk.declarative.components.custom import CustomConfigTransformation, CustomValidationStrategy


class OAuthConfigSpecification(Component, frozen=True):
    """For the platform that shows the screens; nothing here reads it."""

    oauth_user_input_from_connector_config_specification: dict[str, Any] | None = None
    oauth_connector_input_specification: dict[str, Any] | None = None
    complete_oauth_output_specification: dict[str, Any] | None = None
    complete_oauth_server_input_specification: dict[str, Any] | None = None
    complete_oauth_server_output_specification: dict[str, Any] | None = None


class AuthFlow(Component, frozen=True):
    """Where the configuration says that OAuth is used: `predicate_value` at `predicate_key`."""

    auth_flow_type: Literal["oauth2.0", "oauth1.0"] | None = None
    predicate_key: tuple[str, ...] | None = None
    predicate_value: str | None = None
    oauth_config_specification: OAuthConfigSpecification | None = None


class ConfigAddFields(Component, frozen=True):
    fields: tuple[Annotated[dict[str, Any], names_of_types("AddedFieldDefinition")], ...]
    condition: str = ""


class ConfigRemoveFields(Component, frozen=True):
    field_pointers: tuple[tuple[str, ...], ...]
    condition: str = ""


class ConfigRemapField(Component, frozen=True):
    """The value at `field_path` becomes what `map` has for it."""

    map: dict[str, Any] | str
    field_path: tuple[str, ...]


ConfigTransformation = ConfigAddFields | ConfigRemoveFields | ConfigRemapField | CustomConfigTransformation


class ConfigMigration(Component, frozen=True):
    """Changes of a configuration that are kept."""

    transformations: tuple[ConfigTransformation, ...] = ()
    description: str | None = None


class ValidateAdheresToSchema(Component, frozen=True):
    base_schema: dict[str, Any] | str


class DpathValidator(Component, frozen=True):
    """Looks at the value at `field_path` of the configuration."""

    field_path: tuple[str, ...]
    validation_strategy: ValidateAdheresToSchema | CustomValidationStrategy


class PredicateValidator(Component, frozen=True):
    """Looks at a value, a template as a rule."""

    value: Any
    validation_strategy: ValidateAdheresToSchema | CustomValidationStrategy


class ConfigNormalizationRules(Component, frozen=True):
    """What becomes of a configuration before it is used: migrations are written back, transformations are not."""

    config_migrations: tuple[ConfigMigration, ...] = ()
    transformations: tuple[ConfigTransformation, ...] = ()
    validations: tuple[DpathValidator | PredicateValidator, ...] = ()


class Spec(Component, frozen=True):
    """connection_specification: a JSON Schema of the configuration."""

    connection_specification: dict[str, Any]
    documentation_url: str | None = None
    advanced_auth: AuthFlow | None = None
    config_normalization_rules: ConfigNormalizationRules | None = None
