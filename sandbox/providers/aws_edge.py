"""A name for a load balancer: `aws:route53/record`, `aws:acm/certificate`, and its firewall's association."""

# Handlers share one form, whether they need all of it or not.
# ruff: noqa: ARG002

from typing import Any

from sandbox.providers.aws_client import AwsClients
from sandbox.providers.aws_resource import TAGS, AwsResource
from sandbox.providers.aws_tags import mapped, pairs
from sandbox.providers.aws_values import computed, nothing, words
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props
from sandbox.providers.session import ProviderError

_ROUTING = (
    "cidrRoutingPolicy failoverRoutingPolicies geolocationRoutingPolicies geoproximityRoutingPolicy "
    "healthCheckId latencyRoutingPolicies multivalueAnswerRoutingPolicy setIdentifier weightedRoutingPolicies"
)


class Record(AwsResource):
    """One name in a hosted zone: plain values, or an alias of a load balancer."""

    token = "aws:route53/record:Record"
    args = "pulumi_aws.route53:RecordArgs"
    service, label, deleted_first = "route53", "Route 53 Record", True
    meta = '{"schema_version":"2"}'
    block = Block(
        absent={
            **nothing("aliases records", []), **nothing("name ttl type zoneId"), **nothing(_ROUTING),
            **computed("allowOverwrite fqdn"),
        },
        replaces=words("name type zoneId"),
        sets=words("records"),
        unsupported=words(_ROUTING),
    )  # fmt: skip

    def problems(self, inputs: Props) -> dict[str, str]:
        if bool(inputs.get("aliases")) == bool(inputs.get("records")):
            return {"records": "one of `aliases,records` must be specified"}
        return {}

    def make(self, aws: AwsClients, inputs: Props) -> str:
        # AWS refuses by itself; moto's CREATE overwrites.
        if not inputs.get("allowOverwrite") and self.find(aws, "", inputs) is not None:
            raise ProviderError(
                f"creating Route 53 Record ({inputs['name']}): operation error route53: ChangeResourceRecordSets, "
                "https response error StatusCode: 400, InvalidChangeBatch: [Tried to create resource record set "
                f"[name='{self._fqdn(aws, inputs)}.', type='{inputs['type']}'] but it already exists]"
            )
        self._change(aws, "UPSERT" if inputs.get("allowOverwrite") else "CREATE", inputs)
        return f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}"

    def settle(self, aws: AwsClients, id: str, seen: Props, inputs: Props) -> None:
        if seen:
            self._change(aws, "UPSERT", inputs)

    def _change(self, aws: AwsClients, action: str, inputs: Props) -> None:
        record: Props = {"Name": self._fqdn(aws, inputs), "Type": inputs["type"]}
        if aliases := inputs.get("aliases"):
            record["AliasTarget"] = {
                "HostedZoneId": aliases[0]["zoneId"],
                "DNSName": aliases[0]["name"],
                "EvaluateTargetHealth": aliases[0]["evaluateTargetHealth"],
            }
        else:
            record["TTL"] = inputs.get("ttl", 300)
            record["ResourceRecords"] = [{"Value": text} for text in inputs["records"]]
        aws.of("route53").change_resource_record_sets(
            HostedZoneId=inputs["zoneId"],
            ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]},
        )

    @staticmethod
    def _fqdn(aws: AwsClients, inputs: Props) -> str:
        """A name inside the zone, whether the zone's own name was written or not."""
        zone = aws.of("route53").get_hosted_zone(Id=inputs["zoneId"])["HostedZone"]["Name"].rstrip(".")
        name = inputs["name"].rstrip(".")
        return name if name == zone or name.endswith(f".{zone}") else f"{name}.{zone}" if name else zone

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        fqdn = self._fqdn(aws, inputs)
        found = aws.of("route53").list_resource_record_sets(
            HostedZoneId=inputs["zoneId"], StartRecordName=fqdn, StartRecordType=inputs["type"], MaxItems="1"
        )["ResourceRecordSets"]
        if not found or (found[0]["Name"].rstrip("."), found[0]["Type"]) != (fqdn, inputs["type"]):
            return None
        alias = found[0].get("AliasTarget")
        target = alias and {
            "evaluateTargetHealth": alias["EvaluateTargetHealth"],
            "name": alias["DNSName"].rstrip("."),
            "zoneId": alias["HostedZoneId"],
        }
        return {
            "aliases": [target] if target else [],
            "fqdn": fqdn,
            "name": inputs["name"],
            "records": sorted(one["Value"] for one in found[0].get("ResourceRecords") or []),
            "ttl": found[0].get("TTL"),
            "type": inputs["type"],
            "zoneId": inputs["zoneId"],
        }

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        if self.find(aws, id, outputs) is not None:
            self._change(aws, "DELETE", outputs)


class Certificate(AwsResource):
    """A certificate that AWS issues once its name is proven."""

    token = "aws:acm/certificate:Certificate"
    args = "pulumi_aws.acm:CertificateArgs"
    service, label, tagging = "acm", "ACM Certificate", "acm"
    block = Block(
        absent={
            **computed("arn domainValidationOptions keyAlgorithm notAfter notBefore options pendingRenewal region"),
            **computed("renewalEligibility renewalSummaries status subjectAlternativeNames type validationEmails"),
            **computed("validationMethod"), **nothing("domainName validationOptions", []), **TAGS,
            **nothing("certificateAuthorityArn certificateBody certificateChain earlyRenewalDuration privateKey"),
            **nothing("privateKeyWo privateKeyWoVersion"),
        },
        replaces=words("domainName keyAlgorithm subjectAlternativeNames validationMethod region"),
        sets=words("subjectAlternativeNames"),
        unsupported=words(
            "certificateAuthorityArn certificateBody certificateChain earlyRenewalDuration privateKey "
            "privateKeyWo privateKeyWoVersion validationOptions options"
        ),
    )  # fmt: skip

    def make(self, aws: AwsClients, inputs: Props) -> str:
        names = {"subjectAlternativeNames": "SubjectAlternativeNames", "keyAlgorithm": "KeyAlgorithm"}
        return aws.of("acm").request_certificate(
            DomainName=inputs["domainName"],
            ValidationMethod=inputs.get("validationMethod", "DNS"),
            **{theirs: inputs[ours] for ours, theirs in names.items() if inputs.get(ours)},
            **({"Tags": pairs(inputs["tagsAll"])} if inputs.get("tagsAll") else {}),
        )["CertificateArn"]

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props:
        acm = aws.of("acm")
        found = acm.describe_certificate(CertificateArn=id)["Certificate"]
        options = [self._option(one) for one in found.get("DomainValidationOptions") or []]
        return {
            "arn": id,
            "domainName": found["DomainName"],
            "domainValidationOptions": options,
            "keyAlgorithm": (found.get("KeyAlgorithm") or "RSA_2048").replace("-", "_"),
            "status": found["Status"],
            "subjectAlternativeNames": sorted(found.get("SubjectAlternativeNames") or []),
            "tagsAll": mapped(acm.list_tags_for_certificate(CertificateArn=id)["Tags"]),
            "type": found.get("Type") or "AMAZON_ISSUED",
            "validationMethod": inputs.get("validationMethod", "DNS"),
        }

    @staticmethod
    def _option(one: Props) -> Props:
        record = one.get("ResourceRecord") or {}
        return {
            "domainName": one["DomainName"],
            "resourceRecordName": record.get("Name", ""),
            "resourceRecordType": record.get("Type", ""),
            "resourceRecordValue": record.get("Value", ""),
        }

    def _changes(self, name: str, before: Any, old: Any, wanted: Props) -> dict[str, str]:
        # AWS lists the certificate's own name among the others.
        if name == "subjectAlternativeNames" and name in wanted:
            full = sorted({*wanted[name], wanted["domainName"]})
            return super()._changes(name, before, old, {**wanted, name: full})
        return super()._changes(name, before, old, wanted)

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("acm").delete_certificate(CertificateArn=id)


class WebAclAssociation(AwsResource):
    """A firewall before a load balancer."""

    token = "aws:wafv2/webAclAssociation:WebAclAssociation"
    args = "pulumi_aws.wafv2:WebAclAssociationArgs"
    service, label, deleted_first = "wafv2", "WAFv2 WebACL Association", True
    block = Block(
        absent={**nothing("resourceArn webAclArn"), **computed("region")},
        replaces=words("resourceArn webAclArn region"),
    )

    def make(self, aws: AwsClients, inputs: Props) -> str:
        aws.of("wafv2").associate_web_acl(WebACLArn=inputs["webAclArn"], ResourceArn=inputs["resourceArn"])
        return f"{inputs['webAclArn']},{inputs['resourceArn']}"

    def find(self, aws: AwsClients, id: str, inputs: Props) -> Props | None:
        found = aws.of("wafv2").get_web_acl_for_resource(ResourceArn=inputs["resourceArn"])
        if not found.get("WebACL"):
            return None
        return {"resourceArn": inputs["resourceArn"], "webAclArn": found["WebACL"]["ARN"]}

    def remove(self, aws: AwsClients, id: str, inputs: Props, outputs: Props) -> None:
        aws.of("wafv2").disassociate_web_acl(ResourceArn=outputs["resourceArn"])
