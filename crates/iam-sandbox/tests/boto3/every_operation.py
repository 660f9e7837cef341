"""Calls each operation of the sandbox through boto3 and holds every answer to botocore's model.

Usage: every_operation.py ENDPOINT
"""

import datetime
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

OPERATIONS = {
    "iam": """
        CreateRole GetRole DeleteRole ListRoles TagRole UntagRole ListRoleTags
        UpdateAssumeRolePolicy PutRolePermissionsBoundary DeleteRolePermissionsBoundary
        PutRolePolicy GetRolePolicy DeleteRolePolicy ListRolePolicies
        AttachRolePolicy DetachRolePolicy ListAttachedRolePolicies
        CreatePolicy DeletePolicy GetPolicy GetPolicyVersion ListPolicies
        CreateInstanceProfile GetInstanceProfile DeleteInstanceProfile
        AddRoleToInstanceProfile RemoveRoleFromInstanceProfile
        ListInstanceProfiles ListInstanceProfilesForRole TagInstanceProfile UntagInstanceProfile
        GetAccountSummary GetAccountAuthorizationDetails SimulatePrincipalPolicy
    """.split(),
    "sts": ["GetCallerIdentity", "AssumeRole"],
}

TYPES = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "timestamp": datetime.datetime,
    "structure": dict,
    "list": list,
    "map": dict,
}

# botocore parses policy documents, so a value that is a string in the model arrives as an object.
DOCUMENT = "policyDocumentType"

# The model has the value `PermissionsBoundaryPolicy`, but IAM returns `Policy`, as its
# documentation says. The model lists `user`, `role` and others as types of policies, but IAM
# returns none of these values.
ENUMS = {
    "PermissionsBoundaryAttachmentType": ["Policy"],
    "PolicySourceType": ["IAM Policy", "Permissions Boundary Policy"],
}

called = set()


def check(value, shape, place):
    """Holds a parsed value to its shape: required members, types, and no empty required text."""
    if shape.name == DOCUMENT:
        assert isinstance(value, dict) and "Statement" in value, f"{place}: {value!r}"
        return
    expected = TYPES[shape.type_name]
    assert isinstance(value, expected), f"{place}: {value!r} is not {shape.type_name}"
    if shape.type_name == "structure":
        for name in shape.required_members:
            assert name in value, f"{place}.{name} is missing"
        for name, member in value.items():
            if name == "ResponseMetadata":
                continue
            assert name in shape.members, f"{place}.{name} is unknown"
            check(member, shape.members[name], f"{place}.{name}")
    elif shape.type_name == "list":
        for index, member in enumerate(value):
            check(member, shape.member, f"{place}[{index}]")
    elif shape.type_name == "map":
        for key, member in value.items():
            check(key, shape.key, f"{place} key")
            check(member, shape.value, f"{place}[{key}]")
    elif shape.type_name == "string":
        least = shape.metadata.get("min", 0)
        most = shape.metadata.get("max")
        assert len(value) >= least, f"{place}: {value!r} is shorter than {least}"
        assert most is None or len(value) <= most, f"{place}: {value!r} is longer than {most}"
        allowed = ENUMS.get(shape.name, shape.metadata.get("enum"))
        assert not allowed or value in allowed, f"{place}: {value!r} is none of {allowed}"


class Checked:
    """A client whose every answer is checked."""

    def __init__(self, service, endpoint):
        self.service = service
        self.client = boto3.client(
            service,
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="AKIAEXAMPLE",
            aws_secret_access_key="example",
            config=Config(retries={"max_attempts": 0}),
        )

    def __call__(self, operation, **params):
        methods = self.client.meta.method_to_api_mapping
        method = next(name for name, known in methods.items() if known == operation)
        answer = getattr(self.client, method)(**params)
        called.add((self.service, operation))
        metadata = answer["ResponseMetadata"]
        assert metadata["HTTPStatusCode"] == 200, metadata
        assert metadata["RequestId"], metadata
        shape = self.client.meta.service_model.operation_model(operation).output_shape
        body = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
        if shape is None:
            assert not body, f"{operation}: {body!r}, but the operation has no result"
        else:
            check(body, shape, operation)
        return body

    def rejected(self, exception, operation, **params):
        try:
            self(operation, **params)
        except ClientError as error:
            expected = getattr(self.client.exceptions, exception)
            assert isinstance(error, expected), f"{operation}: {error!r}"
            return
        raise AssertionError(f"{operation} was not rejected with {exception}")


def document(action, **others):
    statement = {"Effect": "Allow", "Action": action, **others}
    return {"Version": "2012-10-17", "Statement": [statement]}


def main(endpoint):
    iam = Checked("iam", endpoint)
    sts = Checked("sts", endpoint)
    account = sts("GetCallerIdentity")["Account"]

    trust = document("sts:AssumeRole", Principal={"AWS": account})
    policy = document("secretsmanager:GetSecretValue", Resource="*")
    tags = [{"Key": "team", "Value": "größe"}, {"Key": "empty", "Value": ""}]

    created = iam("CreatePolicy", PolicyName="boundary", PolicyDocument=json.dumps(policy), Tags=tags)
    boundary = created["Policy"]["Arn"]
    assert iam("GetPolicy", PolicyArn=boundary)["Policy"]["Tags"] == [tags[1], tags[0]]
    listed = iam("ListPolicies", Scope="Local")["Policies"]
    assert [policy["Arn"] for policy in listed] == [boundary]
    version = iam("GetPolicyVersion", PolicyArn=boundary, VersionId="v1")["PolicyVersion"]
    assert version["Document"] == policy, version

    created = iam(
        "CreateRole",
        RoleName="engine",
        Path="/a/b/",
        AssumeRolePolicyDocument=json.dumps(trust),
        Description="an engine's role",
        MaxSessionDuration=7200,
        PermissionsBoundary=boundary,
        Tags=tags,
    )["Role"]
    assert created["AssumeRolePolicyDocument"] == trust, created
    read = iam("GetRole", RoleName="engine")["Role"]
    assert read["RoleId"] == created["RoleId"]
    assert read["Description"] == "an engine's role"
    assert read["MaxSessionDuration"] == 7200
    assert read["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary

    iam("TagRole", RoleName="engine", Tags=[{"Key": "Team", "Value": "2"}])
    iam("UntagRole", RoleName="engine", TagKeys=["empty"])
    assert iam("ListRoleTags", RoleName="engine")["Tags"] == [{"Key": "Team", "Value": "2"}]
    iam("DeleteRolePermissionsBoundary", RoleName="engine")
    iam("PutRolePermissionsBoundary", RoleName="engine", PermissionsBoundary=boundary)
    iam("UpdateAssumeRolePolicy", RoleName="engine", PolicyDocument=json.dumps(trust, indent=2))

    name = {"RoleName": "engine", "PolicyName": "secrets"}
    iam("PutRolePolicy", **name, PolicyDocument=json.dumps(policy, indent=2))
    assert iam("GetRolePolicy", **name)["PolicyDocument"] == policy
    assert iam("ListRolePolicies", RoleName="engine")["PolicyNames"] == ["secrets"]

    managed = {"RoleName": "engine", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}
    iam("AttachRolePolicy", **managed)
    attached = iam("ListAttachedRolePolicies", RoleName="engine")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["ReadOnlyAccess"]

    profile = {"InstanceProfileName": "engine"}
    created = iam("CreateInstanceProfile", **profile, Path="/a/b/", Tags=tags)["InstanceProfile"]
    assert created["Roles"] == [], created
    iam("AddRoleToInstanceProfile", **profile, RoleName="engine")
    iam("UntagInstanceProfile", **profile, TagKeys=["empty"])
    iam("TagInstanceProfile", **profile, Tags=[{"Key": "k", "Value": "v"}])
    read = iam("GetInstanceProfile", **profile)["InstanceProfile"]
    assert [role["RoleName"] for role in read["Roles"]] == ["engine"], read
    assert len(read["Tags"]) == 2, read
    assert len(iam("ListInstanceProfiles")["InstanceProfiles"]) == 1
    assert len(iam("ListInstanceProfilesForRole", RoleName="engine")["InstanceProfiles"]) == 1

    assert iam("GetAccountSummary")["SummaryMap"]["Roles"] == 1
    details = iam("GetAccountAuthorizationDetails")
    assert details["RoleDetailList"][0]["RolePolicyList"][0]["PolicyDocument"] == policy
    assert len(details["Policies"]) == 2, details["Policies"]

    simulation = {
        "PolicySourceArn": details["RoleDetailList"][0]["Arn"],
        "ActionNames": ["secretsmanager:GetSecretValue", "s3:GetObject"],
        "ContextEntries": [
            {
                "ContextKeyName": "aws:RequestedRegion",
                "ContextKeyType": "string",
                "ContextKeyValues": ["us-west-2"],
            }
        ],
    }
    simulated = iam("SimulatePrincipalPolicy", **simulation)["EvaluationResults"]
    assert [result["EvalDecision"] for result in simulated] == ["allowed", "implicitDeny"]
    matched = simulated[0]["MatchedStatements"]
    assert {statement["SourcePolicyId"] for statement in matched} == {"role_engine_secrets"}
    assert simulated[0]["PermissionsBoundaryDecisionDetail"]["AllowedByPermissionsBoundary"]
    resources = ["arn:aws:secretsmanager:us-west-2:123456789012:secret:a", "arn:aws:s3:::b"]
    simulated = iam("SimulatePrincipalPolicy", **simulation, ResourceArns=resources)
    each = simulated["EvaluationResults"][0]["ResourceSpecificResults"]
    assert [result["EvalResourceName"] for result in each] == resources

    for n in range(5):
        iam("CreateRole", RoleName=f"page-{n}", AssumeRolePolicyDocument=json.dumps(trust))
    assert len(iam("ListRoles", PathPrefix="/a/")["Roles"]) == 1
    paged = iam.client.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 2})
    pages = [page["Roles"] for page in paged]
    assert [len(page) for page in pages] == [2, 2, 2], pages

    session = sts("AssumeRole", RoleArn=read["Roles"][0]["Arn"], RoleSessionName="boto3")
    assert session["AssumedRoleUser"]["Arn"].endswith(":assumed-role/engine/boto3")

    iam.rejected("EntityAlreadyExistsException", "CreateInstanceProfile", **profile)
    iam.rejected("DeleteConflictException", "DeleteRole", RoleName="engine")
    iam.rejected("DeleteConflictException", "DeleteInstanceProfile", **profile)
    iam.rejected("LimitExceededException", "AddRoleToInstanceProfile", **profile, RoleName="page-0")
    iam.rejected("NoSuchEntityException", "GetRole", RoleName="absent")
    iam.rejected(
        "InvalidInputException",
        "SimulatePrincipalPolicy",
        PolicySourceArn=session["AssumedRoleUser"]["Arn"],
        ActionNames=["s3:GetObject"],
    )
    iam.rejected(
        "MalformedPolicyDocumentException",
        "PutRolePolicy",
        **name,
        PolicyDocument=json.dumps(trust),
    )
    iam.rejected(
        "InvalidInputException",
        "TagRole",
        RoleName="engine",
        Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}],
    )

    iam("RemoveRoleFromInstanceProfile", **profile, RoleName="engine")
    iam("DetachRolePolicy", **managed)
    iam("DeleteRolePolicy", **name)
    iam("DeleteInstanceProfile", **profile)
    iam("DeleteRole", RoleName="engine")
    iam("DeletePolicy", PolicyArn=boundary)

    due = {(service, name) for service, names in OPERATIONS.items() for name in names}
    assert called == due, f"not called: {due - called}, not listed: {called - due}"
    print(f"{len(called)} operations")


if __name__ == "__main__":
    main(sys.argv[1])
