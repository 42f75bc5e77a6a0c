export {
  AMBIENT_POLICY_ROUTING,
  type AmbientPodOptions,
  type AmbientRules,
  buildAmbientPodRules,
  CAPTURE_PORTS,
  DEFAULT_PROBE_SOURCES,
  type PolicyRouting,
  PROXY_MARK,
  RETURN_MARK,
} from './ambient-pod-rules.ts';
export { type ApplyResult, applyRules, type FamilyOutcome } from './apply-rules.ts';
// For those who write rules of their own.
export { CONNECTION_STATES, type ConnectionState } from './core/connection-state.ts';
export { buildListing, listRule } from './core/listing.ts';
export { FULL_MASK, type Mark } from './core/mark.ts';
export { parseSave } from './core/parse-save.ts';
export { renderMatch, renderRule, renderTarget } from './core/render-rule.ts';
export { type RenderSaveOptions, renderRestore, renderSave } from './core/render-rule-set.ts';
export type {
  AddressMatch,
  Chain,
  ChainTarget,
  CommentMatch,
  CommonTarget,
  ConntrackMatch,
  ConntrackTarget,
  CopyConnmarkTarget,
  Counters,
  Family,
  InterfaceMatch,
  MarkMatch,
  Match,
  PortMatch,
  PortRange,
  ProtocolMatch,
  RawMatch,
  RawTarget,
  RedirectTarget,
  Rule,
  RuleSet,
  SetConnmarkTarget,
  Table,
  TableName,
  TableOf,
  Target,
  TproxyTarget,
  TransportMatch,
  VerdictTarget,
} from './core/rule.ts';
export { buildTable } from './core/table.ts';
export { IptablesError, type IptablesErrorCode, type IptablesErrorOptions } from './errors.ts';
export type { NamespaceRef } from './namespace.ts';
export { removeRules } from './remove-rules.ts';
export { DEFAULT_SEARCH_PATH, type FamilyTools, type FindToolsOptions, findTools, type Tools } from './tools.ts';
export { type FamilyReport, type VerifyResult, verifyRules } from './verify-rules.ts';
export type { WorkOptions } from './workplace.ts';
