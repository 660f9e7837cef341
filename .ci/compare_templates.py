#!/usr/bin/env python3
"""Compares the templates of policies/cloudformation/ with the documents of policies/.

Each template is resolved in every partition, with and without each optional part. The resulting
policies must be equivalent to the documents: the same statements in the same order. The order of
actions, and whether a single value is a list, make no difference.
"""

import itertools
import sys
from fnmatch import fnmatchcase

import yaml

from render_policies import POLICIES, SAMPLE, render

PARTITIONS = {
    "aws": ("us-west-2", "amazonaws.com", "ec2.amazonaws.com"),
    "aws-cn": ("cn-north-1", "amazonaws.com.cn", "ec2.amazonaws.com.cn"),
    "aws-us-gov": ("us-gov-west-1", "amazonaws.com", "ec2.amazonaws.com"),
}

ABSENT = object()


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: `!Ref x` as {"Ref": x}, `!If x` as {"Fn::If": x}."""


def short_form(loader, tag, node):
    """Returns a tagged node in its long form."""
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    else:
        value = loader.construct_sequence(node, deep=True)
    if tag == "GetAtt":
        value = value.split(".")
    return {tag if tag == "Ref" else f"Fn::{tag}": value}


Loader.add_multi_constructor("!", short_form)


class Stack:
    """A template with values for its parameters, resolved to one stack."""

    def __init__(self, name, partition, **parameters):
        text = (POLICIES / "cloudformation" / f"{name}.yaml").read_text()
        self.template = yaml.load(text, Loader)
        region, suffix, _ = PARTITIONS[partition]
        self.known = {
            "AWS::Partition": partition,
            "AWS::Region": region,
            "AWS::URLSuffix": suffix,
            "AWS::AccountId": SAMPLE["ACCOUNT_ID"],
            "AWS::NoValue": ABSENT,
        }
        for parameter, about in self.template["Parameters"].items():
            value = about.get("Default")
            many = about["Type"] == "CommaDelimitedList"
            self.known[parameter] = value.split(",") if many else value
        unknown = set(parameters) - set(self.template["Parameters"])
        assert not unknown, f"{name} has no parameter {unknown}"
        self.known |= parameters

    def resource(self, name):
        """Returns the properties of a resource, or None when its condition is false."""
        resource = self.template["Resources"][name]
        if "Condition" in resource and not self.holds(resource["Condition"]):
            return None
        return self.resolve(resource["Properties"])

    def output(self, name):
        """Returns the value of an output."""
        return self.resolve(self.template["Outputs"][name]["Value"])

    def holds(self, condition):
        """Evaluates a condition of the template."""
        return self.resolve(self.template["Conditions"][condition])

    def resolve(self, node):
        """Evaluates the functions in a part of the template."""
        if isinstance(node, list):
            return [value for item in node if (value := self.resolve(item)) is not ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name in self.FUNCTIONS:
                return self.FUNCTIONS[name](self, argument)
            assert not name.startswith("Fn::"), f"{name} is not known here"
        values = {key: self.resolve(value) for key, value in node.items()}
        return {key: value for key, value in values.items() if value is not ABSENT}

    def ref(self, name):
        """Returns the value of a parameter, the name of a resource, or the ARN of a managed policy."""
        if name in self.known:
            return self.known[name]
        assert name in self.template["Resources"], f"nothing is called {name}"
        managed = self.template["Resources"][name]["Type"] == "AWS::IAM::ManagedPolicy"
        return self.arn(f"policy/{name}") if managed else name

    def getatt(self, argument):
        """Returns the ARN of a role, the only attribute that the templates use."""
        name, attribute = argument
        assert attribute == "Arn" and name in self.template["Resources"], argument
        return self.arn(f"role/{name}")

    def arn(self, rest):
        """Returns an IAM ARN of the sample account."""
        return f"arn:{self.known['AWS::Partition']}:iam::{SAMPLE['ACCOUNT_ID']}:{rest}"

    def sub(self, text):
        """Replaces each `${…}` in a text."""
        parts = text.split("${")
        filled = parts[0]
        for part in parts[1:]:
            name, rest = part.split("}", 1)
            attribute = "." in name
            filled += (self.getatt(name.split(".")) if attribute else self.ref(name)) + rest
        return filled

    def join(self, argument):
        """Joins a list to one text."""
        between, items = argument
        return between.join(self.resolve(items))

    def equals(self, argument):
        """Returns whether two values are equal."""
        one, other = self.resolve(argument)
        return one == other

    def negation(self, argument):
        """Negates a condition."""
        return not self.resolve(argument)[0]

    def choice(self, argument):
        """Returns one of two values, by a condition."""
        condition, one, other = argument
        return self.resolve(one if self.holds(condition) else other)

    FUNCTIONS = {
        "Ref": ref,
        "Fn::Equals": equals,
        "Fn::GetAtt": getatt,
        "Fn::If": choice,
        "Fn::Join": join,
        "Fn::Not": negation,
        "Fn::Sub": sub,
    }


def meaning(node):
    """Returns a part of a document in a form that is equal for equivalent documents."""
    if isinstance(node, dict):
        return {key: meaning(value) for key, value in node.items()}
    if isinstance(node, list):
        values = sorted((meaning(item) for item in node), key=str)
        return values[0] if len(values) == 1 else values
    return node


def same(what, template, document):
    """Ends with a message when a template's document differs from the one of policies/."""
    assert template["Version"] == document["Version"], what
    given = [meaning(statement) for statement in template["Statement"]]
    wanted = [meaning(statement) for statement in document["Statement"]]
    if given == wanted:
        return
    for one, other in itertools.zip_longest(given, wanted):
        if one != other:
            raise SystemExit(f"{what}\n  the template: {one}\n  the document: {other}")


def values_in(partition, **others):
    """Returns the values with which the documents are rendered."""
    region, suffix, principal = PARTITIONS[partition]
    return {
        **SAMPLE,
        "PARTITION": partition,
        "REGION": region,
        "DNS_SUFFIX": suffix,
        "EC2_PRINCIPAL": principal,
        **others,
    }


def engine_role(partition, key, session, cluster, boundary):
    """Compares the prepared engine role, both created by the template and existing."""
    what = f"engine-role.yaml in {partition}, key {key!r}, session {session}, cluster {cluster!r}"
    values = values_in(partition, **({"KMS_KEY_ARN": key} if key else {}))
    asked = {"KmsKeyArn": key, "Session": session, "ClusterName": cluster}
    stack = Stack("engine-role", partition, IamPermissionsBoundary=boundary, **asked)
    role = stack.resource("EngineRole")
    same(what, role["AssumeRolePolicyDocument"], render("engine-trust", values))
    wanted = [render("ai-unlimited-engine", values, bool(key), cluster)]
    wanted += [render("session-manager", values)] if session == "true" else []
    assert len(role["Policies"]) == len(wanted), what
    for policy, document in zip(role["Policies"], wanted):
        same(f"{what}: {policy['PolicyName']}", policy["PolicyDocument"], document)
    assert role.get("PermissionsBoundary", "") == boundary, what
    arn = stack.arn("role/EngineRole")
    assert stack.output("PassThroughRoles") == f"{arn}=EngineInstanceProfile", what
    assert stack.output("RoleArn") == arn, what

    stack = Stack("engine-role", partition, IamRole="Existing", IamRoleName="mine", **asked)
    assert stack.resource("EngineRole") is None, what
    assert stack.resource("EngineInstanceProfile")["Roles"] == ["mine"], what
    arn = stack.arn("role/mine")
    assert stack.output("PassThroughRoles") == f"{arn}=EngineInstanceProfile", what


def service_role(partition, key, session, roles, boundary):
    """Compares the service's role and the boundary of the engine roles."""
    what = f"service-role.yaml in {partition}, key {key!r}, session {session}, roles {roles}"
    stack = Stack(
        "service-role",
        partition,
        KmsKeyArn=key,
        Session=session,
        PassThroughRoleArns=roles or [""],
        IamPermissionsBoundary=boundary,
        Namespace="blue",
    )
    values = values_in(
        partition,
        NAMESPACE="blue",
        PERMISSIONS_BOUNDARY=[boundary or stack.arn("policy/EngineBoundary")],
        PASS_THROUGH_ROLE=roles,
        SERVICE_ROLE=[stack.arn("role/ServiceRole")],
        **({"KMS_KEY_ARN": key} if key else {}),
    )
    service = stack.resource("ServicePolicy")["PolicyDocument"]
    same(what, service, render("engine-role-service", values))
    bounding = stack.resource("EngineBoundary")
    assert (bounding is None) == bool(boundary), what
    if bounding:
        document = render("engine-boundary", values, bool(key))
        same(f"{what}: boundary", bounding["PolicyDocument"], document)
    assert stack.output("PermissionsBoundary") == values["PERMISSIONS_BOUNDARY"][0], what
    sessions = stack.resource("SessionManagerPolicy")
    assert (sessions is not None) == (session == "true"), what
    if sessions:
        same(f"{what}: sessions", sessions["PolicyDocument"], render("session-manager", values))
    same(f"{what}: service boundary", *service_boundary(stack, values))
    trust = stack.resource("ServiceRole")["AssumeRolePolicyDocument"]
    wanted = render("engine-trust", values)
    wanted["Statement"][0]["Sid"] = trust["Statement"][0]["Sid"]
    same(f"{what}: trust", trust, wanted)
    assert stack.resource("ServiceInstanceProfile"), what


def service_boundary(stack, values):
    """Returns the boundary of the service's role, from the template and from the document."""
    role, bounding = stack.resource("ServiceRole"), stack.resource("ServiceRoleBoundary")
    assert role["PermissionsBoundary"] == stack.arn("policy/ServiceRoleBoundary")
    return bounding["PolicyDocument"], render("service-boundary", values)


def service_on_ecs(partition):
    """Checks the role of tasks: only ECS of this account can use it, and there is no instance."""
    mine = "arn:aws:iam::123456789012:policy/mine"
    stack = Stack("service-role", partition, ServiceRunsOn="ECS", ServiceBoundary=mine)
    role = stack.resource("ServiceRole")
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}, statement
    account = SAMPLE["ACCOUNT_ID"]
    region = stack.known["AWS::Region"]
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": account},
        "ArnLike": {"aws:SourceArn": f"arn:{partition}:ecs:{region}:{account}:*"},
    }, statement
    assert role["PermissionsBoundary"] == mine
    assert stack.resource("ServiceRoleBoundary") is None
    assert stack.resource("ServiceInstanceProfile") is None


def grants(document):
    """Returns each action of a document with its resource and its condition."""
    return {
        (action, str(statement["Resource"]), str(statement.get("Condition")))
        for statement in document["Statement"]
        for action in as_list(statement["Action"])
    }


def as_list(value):
    """Returns a list unchanged, and anything else as a list of one."""
    return value if isinstance(value, list) else [value]


def boundary_holds_what_engines_have():
    """Checks that the boundary allows exactly what an engine's policies allow."""
    for key in (False, True):
        engine = grants(render("ai-unlimited-engine", key=key)) | grants(render("session-manager"))
        assert grants(render("engine-boundary", key=key)) == engine, "engine-boundary.json"


def service_boundary_holds_what_the_service_has():
    """Checks that each statement of the service is within a statement of its boundary."""
    boundary = render("service-boundary")["Statement"]
    documents = [render("engine-role-service"), render("session-manager")]
    for statement in [s for document in documents for s in document["Statement"]]:
        for action, resource in itertools.product(
            as_list(statement["Action"]), as_list(statement["Resource"])
        ):
            # One statement has the tags of roles and of profiles; each action concerns one of them.
            is_tag = action.startswith(("iam:Tag", "iam:Untag"))
            if is_tag and ("Profile" in action) != (":instance-profile/" in resource):
                continue
            within = [
                bound
                for bound in boundary
                if action in as_list(bound["Action"])
                and any(fnmatchcase(resource, pattern) for pattern in as_list(bound["Resource"]))
                and conditions(bound) <= conditions(statement)
            ]
            assert within, f"service-boundary.json does not allow {action} on {resource}"


def conditions(statement):
    """Returns each condition of a statement as text."""
    return {
        f"{operator} {key} {value}"
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    }


def main():
    """Compares all combinations of partitions and optional parts."""
    keys = ("", SAMPLE["KMS_KEY_ARN"])
    sessions = ("true", "false")
    boundaries = ("", "arn:aws:iam::123456789012:policy/ours")
    clusters = ("", "demo")
    roles = ([], SAMPLE["PASS_THROUGH_ROLE"][:1], SAMPLE["PASS_THROUGH_ROLE"])
    stacks = 0
    for common in itertools.product(PARTITIONS, keys, sessions):
        for cluster, boundary in itertools.product(clusters, boundaries):
            engine_role(*common, cluster, boundary)
            stacks += 2
        for passed, boundary in itertools.product(roles, boundaries):
            service_role(*common, passed, boundary)
            stacks += 1
    for partition in PARTITIONS:
        service_on_ecs(partition)
        stacks += 1
    boundary_holds_what_engines_have()
    service_boundary_holds_what_the_service_has()
    print(f"{stacks} stacks, each equivalent to the documents")


if __name__ == "__main__":
    sys.exit(main())
