from bayeslaw.service.security.authorise import authorise, recheck
from bayeslaw.service.security.guards import install_guards
from bayeslaw.service.security.redaction import RedactingFormatter

__all__ = ["RedactingFormatter", "authorise", "install_guards", "recheck"]
