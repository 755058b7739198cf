"""Components of somebody's own Python code. They are decoded as any other, and refused when a stream that has one is planned."""

from file_cdk.declarative.components.component import Component


class CustomComponent(Component, frozen=True):
    """class_name: the dotted path of a class. What else is written beside it is for that class alone."""

    class_name: str


class CustomAuthenticator(CustomComponent, frozen=True):
    pass


class CustomBackoffStrategy(CustomComponent, frozen=True):
    pass


class CustomConfigTransformation(CustomComponent, frozen=True):
    pass


class CustomDecoder(CustomComponent, frozen=True):
    pass


class CustomErrorHandler(CustomComponent, frozen=True):
    pass


class CustomPaginationStrategy(CustomComponent, frozen=True):
    pass


class CustomPartitionRouter(CustomComponent, frozen=True):
    pass


class CustomRecordExtractor(CustomComponent, frozen=True):
    pass


class CustomRecordFilter(CustomComponent, frozen=True):
    pass


class CustomRequester(CustomComponent, frozen=True):
    pass


class CustomRetriever(CustomComponent, frozen=True):
    pass


class CustomSchemaLoader(CustomComponent, frozen=True):
    pass


class CustomSchemaNormalization(CustomComponent, frozen=True):
    pass


class CustomStateMigration(CustomComponent, frozen=True):
    pass


class CustomTransformation(CustomComponent, frozen=True):
    pass


class CustomValidationStrategy(CustomComponent, frozen=True):
    pass
