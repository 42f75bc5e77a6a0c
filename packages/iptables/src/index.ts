export {
  type AmbientHostOptions,
  type AmbientHostRules,
  buildAmbientHostRules,
} from './ambient/host-rules.ts';
export { AMBIENT_POLICY_ROUTING, PROXY_MARK, RETURN_MARK } from './ambient/marks.ts';
export type { CaptureMode } from './ambient/pod-rows.ts';
export { type AmbientPodOptions, type AmbientPodRules, buildAmbientPodRules } from './ambient/pod-rules.ts';
export { CAPTURE_PORTS } from './ambient/ports.ts';
export { DEFAULT_PROBE_SOURCES, type ProbeSources } from './ambient/probe-sources.ts';
export { type ApplyOptions, type ApplyResult, applyRules, type FamilyOutcome } from './apply-rules.ts';
// For those who write rules of their own.
export { buildRuleSet, type MatchPart, rule } from './core/build-rule-set.ts';
export { checkRuleSet } from './core/check-rule-set.ts';
export { CONNECTION_STATES, type ConnectionState } from './core/connection-state.ts';
export { explainPacket } from './core/explain/explain-packet.ts';
export type { Explanation, PacketAtEnd, PossibleEnd, RuleResult, Step } from './core/explain/explanation.ts';
export type { Endpoint, Packet, PacketState } from './core/explain/packet.ts';
export { parsePacket } from './core/explain/parse-packet.ts';
export type { Assumption } from './core/explain/possibility.ts';
export { renderExplanation } from './core/explain/render-explanation.ts';
export { buildListing, listRule, renderListedRule } from './core/listing.ts';
export { FULL_MASK, type Mark } from './core/mark.ts';
// Matches and targets, by what they do.
export { destination, source } from './core/matches/address.ts';
export { addressType } from './core/matches/addrtype.ts';
export { comment } from './core/matches/comment.ts';
export { connectionState } from './core/matches/conntrack.ts';
export { icmp, icmpv6 } from './core/matches/icmp.ts';
export { inInterface, outInterface } from './core/matches/interface.ts';
export { limit } from './core/matches/limit.ts';
export { connectionMark, packetMark } from './core/matches/mark.ts';
export { multiport, type PortProtocol } from './core/matches/multiport.ts';
export { fromSocket, ownedByGroup, ownedByUser } from './core/matches/owner.ts';
export { protocol } from './core/matches/protocol.ts';
export { rawMatch } from './core/matches/raw.ts';
export { inSet } from './core/matches/set.ts';
export { byChance, byTurns } from './core/matches/statistic.ts';
export { type Ports, type TcpOptions, type TransportPorts, tcp, udp } from './core/matches/transport.ts';
export { negate } from './core/negate.ts';
export { type NftInput, type TranslateToNftOptions, translateToNft } from './core/nft/translate-to-nft.ts';
export {
  type NftChain,
  type NftHook,
  type NftRule,
  type NftSet,
  type NftTable,
  type NftTableName,
  renderNft,
} from './core/nft-script.ts';
export type { OwnedRules, PolicyRouting } from './core/owned-rules.ts';
export type { OwnedChains, Ownership } from './core/ownership.ts';
export { parseSave } from './core/parse-save.ts';
export {
  type ChainPlan,
  isEmptyPlan,
  type Plan,
  type PlanOptions,
  type PolicyChange,
  plan,
  type RuleChange,
  type TablePlan,
} from './core/plan.ts';
export { findRawWords, type RawWords } from './core/raw-words.ts';
export { renderPlan } from './core/render-plan.ts';
export { renderPlanRestore } from './core/render-plan-restore.ts';
export { renderMatch, renderRule, renderTarget } from './core/render-rule.ts';
export { type RenderSaveOptions, renderRestore, renderSave } from './core/render-rule-set.ts';
export type {
  AddressMatch,
  AddressType,
  AddressTypeMatch,
  Chain,
  ChainTarget,
  CommentMatch,
  CommonTarget,
  ConntrackMatch,
  ConntrackTarget,
  CopyConnmarkTarget,
  Counters,
  DestinationNatTarget,
  Family,
  IcmpMatch,
  InterfaceMatch,
  LimitMatch,
  LogTarget,
  MarkMatch,
  MasqueradeTarget,
  Match,
  MultiportMatch,
  OwnerMatch,
  PortMatch,
  PortRange,
  ProtocolMatch,
  RawMatch,
  RawTarget,
  RedirectTarget,
  RejectTarget,
  Rule,
  RuleSet,
  SegmentSizeTarget,
  SetConnmarkTarget,
  SetMarkTarget,
  SetMatch,
  SourceNatTarget,
  StatisticMatch,
  Table,
  TableName,
  TableOf,
  Target,
  TcpFlag,
  TcpFlagsMatch,
  TproxyTarget,
  TransportMatch,
  VerdictTarget,
} from './core/rule.ts';
export type { BuiltInChainSpec, RuleSpec, TableSpec, TableSpecs, UserChainSpec } from './core/rule-set-specs.ts';
export { dnat, snat } from './core/targets/address-nat.ts';
export { goTo, jump } from './core/targets/chain.ts';
export { restoreMark, saveMark, setConnectionMark } from './core/targets/connmark.ts';
export { conntrackZone, noTrack } from './core/targets/ct.ts';
export { log } from './core/targets/log.ts';
export { setMark } from './core/targets/mark.ts';
export { masquerade } from './core/targets/masquerade.ts';
export { rawTarget } from './core/targets/raw.ts';
export { redirect } from './core/targets/redirect.ts';
export { reject } from './core/targets/reject.ts';
export { segmentSize } from './core/targets/tcpmss.ts';
export { type TproxyOptions, tproxy } from './core/targets/tproxy.ts';
export { accept, drop, goBack } from './core/targets/verdict.ts';
export {
  type BackendChoice,
  type DetectBackendOptions,
  type Detection,
  detectBackend,
} from './detect-backend.ts';
export { IptablesError, type IptablesErrorCode, type IptablesErrorOptions } from './errors.ts';
export type { FamilyTools } from './family-tools.ts';
export { findLeftovers, type Leftover } from './find-leftovers.ts';
export { DEFAULT_SEARCH_PATH } from './find-program.ts';
export type { Ipv6State } from './ipv6-state.ts';
export type { NamespaceRef } from './namespace.ts';
export type { NamespaceNetworking, RoutingChange } from './networking.ts';
export { chooseNftables, type NftablesChoice } from './nft/choose-nftables.ts';
export type { RoutingState } from './policy-routing.ts';
export {
  openProbeSets,
  type ProbeConflict,
  type ProbeSetOptions,
  type ProbeSets,
  type ProbeSyncResult,
} from './probe-sets/open-probe-sets.ts';
export type { ProbeEntry, ProbePod } from './probe-sets/probe-entry.ts';
export { type RemovableRules, removeRules } from './remove-rules.ts';
export { type FindToolsOptions, findTools, type Tools } from './tools.ts';
export { type FamilyReport, type VerifyResult, verifyRules } from './verify-rules.ts';
export type { WorkOptions } from './workplace.ts';
