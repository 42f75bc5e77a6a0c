export { allowWaypointPolicy, type Waypoint } from './conversion/allow-waypoint-policy.ts';
export {
  type ConversionOptions,
  type ConvertedAuthorizationPolicy,
  convertAuthorizationPolicy,
} from './conversion/convert-authorization-policy.ts';
export { convertPeerAuthentication, staticStrictPolicy } from './conversion/convert-peer-authentication.ts';
export { type Conversion, convertPolicies, type SetConversionOptions } from './conversion/convert-policies.ts';
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
export { PolicyError, type PolicyErrorCode } from './errors.ts';
export type { Decision, ShadowVerdict, Verdict, VerdictCode } from './evaluation/decision.ts';
export { effectiveScope } from './evaluation/effective-scope.ts';
export type { MissingPolicy } from './evaluation/evaluate-policies.ts';
export { policyKey } from './evaluation/policy-key.ts';
export {
  type CheckedPolicy,
  checkPolicy,
  compile,
  type EvaluationOptions,
  PolicySet,
} from './evaluation/policy-set.ts';
export type { Selection } from './evaluation/selection.ts';
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
export { renderExplanation } from './explanation/render-explanation.ts';
export type {
  AddressMessage,
  AuthorizationMessage,
  ClauseMessage,
  GroupMessage,
  MatchMessage,
  ServiceAccountMessage,
  StringMatchMessage,
} from './message/authorization-message.ts';
export { findMessageProblems, readMessage } from './message/read-message.ts';
export { renderMessage } from './message/render-message.ts';
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
export type { HttpAttributes, PolicySource } from './policy-source.ts';
export type { Problem } from './problem.ts';
export { readSuite } from './suite/read-suite.ts';
export { renderSuiteJunit } from './suite/render-junit.ts';
export { renderSuiteTap } from './suite/render-tap.ts';
export { renderSuiteText } from './suite/render-text.ts';
export {
  runSuite,
  type SuiteResult,
  type SuiteSubject,
  type SuiteTitle,
  type TestOutcome,
  type TestResult,
} from './suite/run-suite.ts';
export type {
  Expectation,
  Suite,
  SuiteClient,
  SuitePolicies,
  SuiteWorkload,
} from './suite/suite.ts';
export { guessForm, type PolicyForm } from './validation/policy-form.ts';
export { findLocalProblems, findProblems, readLocalPolicy, readPolicy } from './validation/read-policy.ts';
export { type AccessLog, parseAccessLog, type UnreadableLine } from './what-if/access-log.ts';
export type { ConnectionGroup } from './what-if/connection-group.ts';
export type { RecordedConnection, RecordedVerdict, RecordedWorkload } from './what-if/recorded-connection.ts';
export { renderWhatIf } from './what-if/render-what-if.ts';
export {
  type Contradiction,
  type UndecidedConnections,
  type VerdictChange,
  type WhatIfAnswer,
  type WhatIfCounts,
  type WhatIfQuestion,
  whatIf,
} from './what-if/what-if.ts';
