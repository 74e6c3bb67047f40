"""What a listener or a rule of a load balancer does: actions, in AWS's form and in the properties'."""

from sandbox.providers.aws_values import camel, nothing, pascal
from sandbox.providers.bridge import Block
from sandbox.providers.resource import Props

_ACTION = {
    "redirect": "RedirectConfig", "fixedResponse": "FixedResponseConfig", "forward": "ForwardConfig",
    "authenticateCognito": "AuthenticateCognitoConfig", "authenticateOidc": "AuthenticateOidcConfig",
    "stickiness": "TargetGroupStickinessConfig", "duration": "DurationSeconds", "arn": "TargetGroupArn",
}  # fmt: skip
_NO_ACTION = nothing("authenticateCognito authenticateOidc fixedResponse forward redirect targetGroupArn")
_REDIRECT = {
    "host": "#{host}",
    "path": "/#{path}",
    "port": "#{port}",
    "protocol": "#{protocol}",
    "query": "#{query}",
}
ACTIONS = Block(absent={}, blocks={"redirect": Block(absent={}, defaults=_REDIRECT)})


def to_actions(inputs: list[Props]) -> list[Props]:
    """Actions in AWS's form."""
    return [pascal(one, _ACTION) for one in inputs]


def from_actions(found: list[Props], asked: list[Props]) -> list[Props]:
    """Actions as outputs: a forward to one group is said by its ARN, unless it was asked for otherwise."""
    shown = []
    for place, one in enumerate(sorted(found, key=lambda action: action.get("Order", 1))):
        action = {**_NO_ACTION, "order": place + 1, **camel(one, _ACTION)}
        wanted = asked[place] if place < len(asked) else {}
        if not wanted.get("forward") and len((action["forward"] or {}).get("targetGroups", [])) == 1:
            action["targetGroupArn"] = action["forward"]["targetGroups"][0].get("arn")
            action["forward"] = None
        elif wanted.get("forward"):
            action["targetGroupArn"] = None
            action["forward"] = wanted["forward"] if action["forward"] is None else action["forward"]
            for group in action["forward"]["targetGroups"]:
                group["arn"] = group.pop("targetGroupArn", group.get("arn"))
        # One name at AWS stands for two properties here.
        if "arn" in action:
            action["targetGroupArn"] = action.pop("arn")
        shown.append(action)
    return shown
