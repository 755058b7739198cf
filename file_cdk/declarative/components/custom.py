"""Components of somebody's own Python code. They are decoded as any other, and refused when a stream that has one is planned."""

from file_cdk.declarative.components.component import Component


class CustomComponent(Component):
    """class_name: the dotted path of a class. What else is written beside it is for that class alone."""

    class_name: str


class CustomAuthenticator(CustomComponent):
    pass


class CustomBackoffStrategy(CustomComponent):
    pass


class CustomConfigTransformation(CustomComponent):
    pass


class CustomDecoder(CustomComponent):
    pass


class CustomErrorHandler(CustomComponent):
    pass


class CustomPaginationStrategy(CustomComponent):
    pass


class CustomPartitionRouter(CustomComponent):
    pass


class CustomRecordExtractor(CustomComponent):
    pass


class CustomRecordFilter(CustomComponent):
    pass


class CustomRequester(CustomComponent):
    pass


class CustomRetriever(CustomComponent):
    pass


class CustomSchemaLoader(CustomComponent):
    pass


class CustomSchemaNormalization(CustomComponent):
    pass


class CustomStateMigration(CustomComponent):
    pass


class CustomTransformation(CustomComponent):
    pass


class CustomValidationStrategy(CustomComponent):
    pass
