"""`aws:lb/listener`: a port of a load balancer."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from sandbox.providers.aws_actions import ACTIONS, from_actions, to_actions
from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import computed, nothing, renamed, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

_PLAIN = {"port": "Port", "protocol": "Protocol", "sslPolicy": "SslPolicy"}

# Property to attribute: what a listener says about headers.
_HEADERS = {
    **{
        f"routingHttpRequestXAmzn{name}HeaderName": f"routing.http.request.x_amzn_{theirs}.header_name"
        for name, theirs in {
            "MtlsClientcert": "mtls_clientcert", "MtlsClientcertIssuer": "mtls_clientcert_issuer",
            "MtlsClientcertLeaf": "mtls_clientcert_leaf",
            "MtlsClientcertSerialNumber": "mtls_clientcert_serial_number",
            "MtlsClientcertSubject": "mtls_clientcert_subject",
            "MtlsClientcertValidity": "mtls_clientcert_validity",
            "TlsCipherSuite": "tls_cipher_suite", "TlsVersion": "tls_version",
        }.items()
    },
    **{
        f"routingHttpResponse{name}HeaderValue": f"routing.http.response.{theirs}.header_value"
        for name, theirs in {
            "AccessControlAllowCredentials": "access_control_allow_credentials",
            "AccessControlAllowHeaders": "access_control_allow_headers",
            "AccessControlAllowMethods": "access_control_allow_methods",
            "AccessControlAllowOrigin": "access_control_allow_origin",
            "AccessControlExposeHeaders": "access_control_expose_headers",
            "AccessControlMaxAge": "access_control_max_age",
            "ContentSecurityPolicy": "content_security_policy",
            "StrictTransportSecurity": "strict_transport_security",
            "XContentTypeOptions": "x_content_type_options", "XFrameOptions": "x_frame_options",
        }.items()
    },
}  # fmt: skip
_SERVER = "routing.http.response.server.enabled"


class Listener(AwsResource):
    """A port of a load balancer."""

    token = "aws:lb/listener:Listener"
    args = "pulumi_aws.lb:ListenerArgs"
    service, label, tagging, meta = "elbv2", "ELBv2 Listener", "elbv2", "{}"
    block = Block(
        absent={
            **computed("arn protocol sslPolicy mutualAuthentication tcpIdleTimeoutSeconds region"),
            **computed(" ".join(_HEADERS)), **computed("routingHttpResponseServerEnabled"),
            **nothing("alpnPolicy certificateArn defaultActions loadBalancerArn port"), **TAGS,
        },
        replaces=words("loadBalancerArn region"),
        blocks={"defaultActions": ACTIONS},
        unsupported=words("mutualAuthentication tcpIdleTimeoutSeconds"),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        found = aws.of("elbv2").create_listener(
            LoadBalancerArn=inputs["loadBalancerArn"],
            **self._request(inputs),
            **({"Tags": pairs(inputs["tagsAll"])} if inputs.get("tagsAll") else {}),
        )
        return found["Listeners"][0]["ListenerArn"]

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            aws.of("elbv2").modify_listener(ListenerArn=id, **self._request(inputs))
        wanted = {key: inputs[name] for name, key in _HEADERS.items() if inputs.get(name)}
        if "routingHttpResponseServerEnabled" in inputs:
            wanted[_SERVER] = str(inputs["routingHttpResponseServerEnabled"]).lower()
        if wanted:
            aws.of("elbv2").modify_listener_attributes(ListenerArn=id, Attributes=pairs(wanted))

    @staticmethod
    def _request(inputs: Props) -> Props:
        # As the official plugin: a listener of an application load balancer speaks HTTP unless told otherwise.
        wanted = (
            {"Protocol": "HTTP"}
            | renamed(inputs, _PLAIN)
            | {"DefaultActions": to_actions(inputs["defaultActions"])}
        )
        if inputs.get("certificateArn"):
            wanted["Certificates"] = [{"CertificateArn": inputs["certificateArn"]}]
        if inputs.get("alpnPolicy"):
            wanted["AlpnPolicy"] = [inputs["alpnPolicy"]]
        return wanted

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        elb = aws.of("elbv2")
        found = elb.describe_listeners(ListenerArns=[id])["Listeners"]
        if not found:
            return None
        one = found[0]
        attributes = mapped(elb.describe_listener_attributes(ListenerArn=id)["Attributes"])
        # AWS says nothing (null) of request headers on a plain HTTP listener, and "" of the others.
        plain = {name: None if "Request" in name else "" for name in _HEADERS}
        certificates = one.get("Certificates") or []
        return {
            **plain,
            **{name: attributes[key] for name, key in _HEADERS.items() if attributes.get(key)},
            "alpnPolicy": (one.get("AlpnPolicy") or [None])[0],
            "arn": id,
            "certificateArn": certificates[0]["CertificateArn"] if certificates else None,
            "defaultActions": from_actions(one["DefaultActions"], inputs.get("defaultActions") or []),
            "loadBalancerArn": one["LoadBalancerArn"],
            "mutualAuthentication": None,
            "port": one["Port"],
            "protocol": one["Protocol"],
            "routingHttpResponseServerEnabled": attributes.get(
                _SERVER, str(inputs.get("routingHttpResponseServerEnabled", False)).lower()
            )
            == "true",
            "sslPolicy": (one.get("SslPolicy") or "") if one["Protocol"] in ("HTTPS", "TLS") else "",
            "tagsAll": mapped(elb.describe_tags(ResourceArns=[id])["TagDescriptions"][0]["Tags"]),
            "tcpIdleTimeoutSeconds": None,
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("elbv2").delete_listener(ListenerArn=id)
