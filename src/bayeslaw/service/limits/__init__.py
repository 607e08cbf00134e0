from bayeslaw.service.limits.body import BodyLimits
from bayeslaw.service.limits.protocol import BoundedProtocol, Waiting, bounded
from bayeslaw.service.limits.token_buckets import TokenBuckets

__all__ = ["BodyLimits", "BoundedProtocol", "TokenBuckets", "Waiting", "bounded"]
