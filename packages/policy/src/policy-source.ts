/** HTTP attributes of one rule that only a waypoint can see. */
export interface HttpAttributes {
  /** Index of the rule in the object that the policy was made of. */
  readonly rule: number;
  /** As written there: `methods`, `request.headers[x]`; sorted. */
  readonly attributes: readonly string[];
}

/** What a policy was made of, for explanations only: evaluation never looks at it. */
export interface PolicySource {
  readonly kind: 'AuthorizationPolicy' | 'PeerAuthentication' | 'Waypoint';
  /** `namespace/name` of the object. */
  readonly object: string;
  /** Of each rule of the policy, the index of the object's rule that it was made of. */
  readonly rules: readonly number[];
  /** ALLOW: rules that are left out whole, as HTTP attributes cannot be judged here; so less is allowed than written. */
  readonly omitted: readonly HttpAttributes[];
  /** DENY: conditions that are left out, the rest of the rule applies; so more is denied than written, or nothing. */
  readonly ignored: readonly HttpAttributes[];
}
