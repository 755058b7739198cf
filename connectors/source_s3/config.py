"""What a configuration of source-s3 holds."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from file_cdk import Field, SourceConfig, field_validator, model_validator, secret_field
from source_s3 import legacy

if TYPE_CHECKING:
    from source_s3.access import S3Settings


class S3Config(SourceConfig, more_properties=legacy.hidden_properties):
    """Configuration of source-s3."""

    older_keys: ClassVar[frozenset[str]] = legacy.KEYS

    bucket: str = Field(
        title="Bucket",
        description="Name of the S3 bucket that holds the files.",
        min_length=1,
        json_schema_extra={"order": 0},
    )
    aws_access_key_id: str | None = secret_field(
        "AWS Access Key ID",
        "Who reads the bucket. Without keys: what the AWS environment has, else anonymous.",
        None,
        order=2,
    )
    aws_secret_access_key: str | None = secret_field(
        "AWS Secret Access Key", "Belongs to the access key ID.", None, order=3
    )
    endpoint: str | None = Field(
        default="",
        title="Endpoint",
        description="Host or URL of an S3-compatible service; empty for AWS. HTTPS unless it begins with http://.",
        json_schema_extra={"examples": ["my-s3-endpoint.com", "https://my-s3-endpoint.com"], "order": 4},
    )
    region_name: str | None = Field(
        default=None,
        title="AWS Region",
        description="Region of the bucket; found out when it is not given.",
        json_schema_extra={"order": 5},
    )
    role_arn: str | None = Field(
        default=None,
        title="AWS Role ARN",
        description="Role to assume for reading the bucket; its external id is taken from AWS_ASSUME_ROLE_EXTERNAL_ID.",
        json_schema_extra={"order": 6},
    )
    profile: str | None = Field(
        default=None,
        title="AWS Profile",
        description="Profile of the AWS configuration files to take credentials from.",
    )
    addressing_style: Literal["auto", "path", "virtual"] = Field(
        default="auto", title="Addressing Style", description="Whether URLs name the bucket in the path or in the host."
    )
    ca_bundle: str | None = Field(
        default=None,
        title="CA Bundle",
        description="PEM file with the certificate authority of the endpoint's certificate.",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_older_versions(cls, raw: Any) -> Any:
        return legacy.modern(raw) if isinstance(raw, Mapping) and legacy.is_legacy(raw) else raw

    @field_validator("aws_access_key_id", "aws_secret_access_key", "region_name", "role_arn", "profile", "ca_bundle")
    @classmethod
    def _blank_is_none(cls, value: str | None) -> str | None:
        return (value or "").strip() or None

    @field_validator("endpoint")
    @classmethod
    def _is_endpoint(cls, value: str | None) -> str | None:
        text = (value or "").strip()
        if not text:
            return None
        from urllib.parse import urlsplit  # `spec` does without

        text = (text if "://" in text else f"https://{text}").rstrip("/")
        parts = urlsplit(text)
        try:
            sound = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:
            sound = False
        if not sound or parts.username is not None or parts.query or parts.fragment:
            raise ValueError(
                "must be a host such as s3.example.org, or an http:// or https:// URL without user and query"
            )
        return text

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> None:
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("aws_access_key_id and aws_secret_access_key go together: set both or neither")
        if self.profile is not None and self.aws_access_key_id is not None:
            raise ValueError("profile and aws_access_key_id exclude each other: set at most one")

    @property
    def settings(self) -> "S3Settings":
        from source_s3.access import S3Settings

        return S3Settings(
            bucket=self.bucket,
            access_key_id=self.aws_access_key_id,
            secret_access_key=self.aws_secret_access_key,
            role_arn=self.role_arn,
            endpoint=self.endpoint or None,
            region_name=self.region_name,
            profile=self.profile,
            addressing_style=self.addressing_style,
            ca_bundle=self.ca_bundle,
        )
