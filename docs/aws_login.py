"""Prints a token for the AWS identity of this machine or user, as `engine-roles login aws` does.

Needs botocore (`pip install botocore`), and these variables: ENGINE_ROLES_ADDR is the address of the
service, ENGINE_ROLES_AWS_SERVER_NAME its name, AWS_REGION the region whose STS the service asks.
"""

import json
import os
import sys
import urllib.error
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

service = os.environ.get("ENGINE_ROLES_ADDR", "http://127.0.0.1:3283")
server = os.environ["ENGINE_ROLES_AWS_SERVER_NAME"]
region = os.environ["AWS_REGION"]
suffix = {"cn": "amazonaws.com.cn", "eusc": "amazonaws.eu"}.get(region.split("-")[0], "amazonaws.com")

# The request to STS is only signed here. The service sends it.
request = AWSRequest(
    method="POST",
    url=f"https://sts.{region}.{suffix}/",
    data="Action=GetCallerIdentity&Version=2011-06-15",
    headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "X-Engine-Roles-Server": server,
    },
)
credentials = Session().get_credentials()
if credentials is None:
    sys.exit("botocore finds no credentials")
SigV4Auth(credentials, "sts", region).add_auth(request)
login = {
    "authorization": request.headers["Authorization"],
    "date": request.headers["X-Amz-Date"],
    "server": server,
}
if "X-Amz-Security-Token" in request.headers:
    login["security_token"] = request.headers["X-Amz-Security-Token"]

post = urllib.request.Request(
    f"{service}/v1/auth/aws",
    data=json.dumps(login).encode(),
    headers={"Content-Type": "application/json"},
)
try:
    with urllib.request.urlopen(post, timeout=30) as answer:
        token = json.load(answer)
except urllib.error.HTTPError as error:
    sys.exit(error.read().decode())
print(f"{token['arn']} has a token until {token['expires_at']}", file=sys.stderr)
print(token["token"])
