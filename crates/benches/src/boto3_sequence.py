import json
import sys
import time

import boto3

name = sys.argv[1]
iam = boto3.client("iam")
trust = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
policy = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    ],
}
began = time.perf_counter()
iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
iam.create_instance_profile(InstanceProfileName=name)
iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
iam.add_role_to_instance_profile(RoleName=name, InstanceProfileName=name)
print((time.perf_counter() - began) * 1000)
