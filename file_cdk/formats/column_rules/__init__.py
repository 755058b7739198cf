"""Rules for the columns of any format, on their way into a table: which come, as what type, hashed, under which name."""

from file_cdk.formats.column_rules.format import WithColumnRules as WithColumnRules
from file_cdk.formats.column_rules.plan import ColumnPlan as ColumnPlan
from file_cdk.formats.column_rules.plan import salt_of as salt_of
from file_cdk.formats.column_rules.plan import sources_of as sources_of
