export { allowWaypointPolicy, type Waypoint } from './conversion/allow-waypoint-policy.ts';
export {
  type ConversionOptions,
  type ConvertedAuthorizationPolicy,
  convertAuthorizationPolicy,
} from './conversion/convert-authorization-policy.ts';
export { convertPeerAuthentication, staticStrictPolicy } from './conversion/convert-peer-authentication.ts';
export { type Conversion, convertPolicies } from './conversion/convert-policies.ts';
export { findObjectProblems } from './conversion/find-object-problems.ts';
export type { PeerAuthenticationScopes, SelectedWorkload } from './conversion/peer-authentication-scope.ts';
export type {
  AuthorizationPolicy,
  ObjectMetadata,
  PeerAuthentication,
  PeerAuthenticationMode,
  PeerAuthenticationTls,
  PolicyObject,
  PolicyObjectAction,
  PolicyRule,
  PolicyRuleCondition,
  PolicyRuleOperation,
  PolicyRuleSource,
  PolicyTargetReference,
  WorkloadSelector,
} from './conversion/policy-object.ts';
export type { PolicyObjectStatus } from './conversion/policy-status.ts';
export { isPolicyObject, readPolicyObject } from './conversion/read-policy-object.ts';
export { decide, policyKey, type Verdict } from './decision.ts';
export { PolicyError, type PolicyErrorCode } from './errors.ts';
export type { Decision, ShadowVerdict, VerdictCode } from './evaluation/decision.ts';
export { compile, type EvaluationOptions, PolicySet } from './evaluation/policy-set.ts';
export type {
  ClauseExplanation,
  Explanation,
  FieldExplanation,
  FieldName,
  MatchExplanation,
  NearestMiss,
  PassingChange,
  PolicyExplanation,
  RuleExplanation,
} from './explanation/explanation.ts';
export { matchesPolicy } from './match.ts';
export type {
  AddressRange,
  Clause,
  Connection,
  Match,
  Policy,
  Rule,
  ServiceAccountMatch,
  SourceIdentity,
  StringMatch,
  TargetWorkload,
} from './policy.ts';
export { PolicyIndex, type Selection } from './policy-index.ts';
export type { HttpAttributes, PolicySource } from './policy-source.ts';
export type { Problem } from './problem.ts';
export { guessForm, type PolicyForm } from './validation/policy-form.ts';
export { findProblems, readPolicy } from './validation/read-policy.ts';
