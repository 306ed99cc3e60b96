"""Whether each document is what the API server of a version takes, with no field that it does not know.

Kubernetes' own kinds by the schemas that kubernetes-validate brings; cert-manager's, which are not among them, by the part of their reference
that we use.
"""

import jsonschema
import kubernetes_validate

# The oldest and the newest that the schemas are there for.
VERSIONS = ["1.32", "1.37"]

_text = {"type": "string", "minLength": 1}
_duration = {"type": "string", "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$", "minLength": 2}


def _closed(properties: dict, required: list[str]) -> dict:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _whole(kind: str, spec: dict) -> dict:
    return _closed(
        {
            "apiVersion": {"const": "cert-manager.io/v1"},
            "kind": {"const": kind},
            "metadata": {"type": "object", "required": ["name", "namespace"]},
            "spec": spec,
        },
        ["apiVersion", "kind", "metadata", "spec"],
    )


# https://cert-manager.io/docs/reference/api-docs/
CERT_MANAGER = {
    "Issuer": _whole(
        "Issuer",
        {
            "oneOf": [
                _closed({"selfSigned": {"type": "object", "maxProperties": 0}}, ["selfSigned"]),
                _closed({"ca": _closed({"secretName": _text}, ["secretName"])}, ["ca"]),
            ]
        },
    ),
    "Certificate": _whole(
        "Certificate",
        _closed(
            {
                "secretName": _text,
                "commonName": {"type": "string", "maxLength": 64},
                "dnsNames": {"type": "array", "items": _text, "minItems": 1},
                "isCA": {"type": "boolean"},
                "duration": _duration,
                "renewBefore": _duration,
                "usages": {
                    "type": "array",
                    "items": {"enum": ["digital signature", "server auth", "client auth", "cert sign", "crl sign"]},
                },
                "privateKey": _closed(
                    {
                        "algorithm": {"enum": ["RSA", "ECDSA", "Ed25519"]},
                        "size": {"type": "integer"},
                        "encoding": {"enum": ["PKCS1", "PKCS8"]},
                        "rotationPolicy": {"enum": ["Never", "Always"]},
                    },
                    ["algorithm"],
                ),
                "issuerRef": _closed({"name": _text, "kind": {"enum": ["Issuer", "ClusterIssuer"]}}, ["name", "kind"]),
            },
            ["secretName", "issuerRef"],
        ),
    ),
}


def problems(document: dict, version: str) -> list[str]:
    """What is wrong with it, in words; nothing if it is right."""
    kind, name = document.get("kind"), (document.get("metadata") or {}).get("name")
    try:
        if str(document.get("apiVersion", "")).startswith("cert-manager.io/"):
            if kind not in CERT_MANAGER:
                return [f"{kind}/{name}: cert-manager's {kind} is not among the schemas in scripts/deploy/schema.py"]
            jsonschema.validate(document, CERT_MANAGER[kind])
        else:
            kubernetes_validate.validate(document, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        where = ".".join(str(step) for step in error.path)
        return [f"{kind}/{name}: {where or 'document'}: {error.message.splitlines()[0][:300]} (Kubernetes {version})"]
    except kubernetes_validate.SchemaNotFoundError as error:
        return [f"{kind}/{name}: {error.message}"]
    return []
