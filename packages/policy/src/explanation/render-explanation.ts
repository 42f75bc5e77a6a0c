import { escapeControls } from './escape-controls.ts';
import type { Explanation, PassingChange, PolicyExplanation } from './explanation.ts';
import { NO_ADDRESS } from './no-address.ts';
import { renderFailures, renderNotes } from './render-field.ts';
import { findRule, nameRule, renderPolicies } from './render-policy.ts';
import { renderMatchedRule } from './render-rule.ts';
import { renderIdentity } from './render-value.ts';

const MOST_CAUSES = 8;

/**
 * Why a connection passes or does not, for a terminal: on the first line who was judged how by which policy, on the
 * second what made the difference, then causes in words, changes that would have passed, and every policy that was
 * asked. Long lists are shortened. Ends in a line break.
 */
export function renderExplanation(explanation: Explanation): string {
  return [
    ...summarize(explanation),
    ...renderCauses(explanation),
    ...explanation.wouldPass.map((change) => `  would pass ${change.text} (${nameChange(change, explanation)})`),
    ...renderShadow(explanation),
    '',
    ...renderPolicies(explanation),
  ]
    .map((line) => `${escapeControls(line)}\n`)
    .join('');
}

/** The first lines of `renderExplanation`, one or two, without a line break at the end. */
export function renderSummary(explanation: Explanation): string {
  return summarize(explanation).map(escapeControls).join('\n');
}

function summarize(explanation: Explanation): readonly string[] {
  const { decision } = explanation;
  const head = `${decision.allowed ? 'ALLOWED' : 'DENIED'} ${describeConnection(explanation)}: ${describeVerdict(explanation)}`;
  const difference = describeDifference(explanation);
  return difference === undefined ? [head] : [head, difference];
}

function describeConnection({ connection, workload }: Explanation): string {
  const { identity, sourceIp, destinationIp, destinationPort } = connection;
  const known = sourceIp !== NO_ADDRESS;
  const client =
    identity === undefined
      ? `plain text${known ? ` from ${sourceIp}` : ''}`
      : `${renderIdentity(identity)}${known ? ` (${sourceIp})` : ''}`;
  const host = destinationIp.includes(':') ? `[${destinationIp}]` : destinationIp;
  const target = destinationIp === NO_ADDRESS ? `port ${destinationPort}` : `${host}:${destinationPort}`;
  return `${client} -> ${target} in namespace ${workload.namespace}`;
}

function describeVerdict({ decision, policies }: Explanation): string {
  switch (decision.code) {
    case 'ALLOWED':
      return `by ALLOW policy ${decision.policy}`;
    case 'DENIED':
      return `by DENY policy ${decision.policy}`;
    case 'NO_ALLOW_POLICIES':
      return 'no ALLOW policy applies and no DENY policy matches';
    case 'POLICY_MISSING':
      return decision.reason;
    case 'NOT_ALLOWED': {
      const allow = policies.filter(({ action, dryRun }) => action === 'Allow' && !dryRun);
      const [only] = allow;
      if (allow.length === 1) return `by ${only?.policy}, the only ALLOW policy, which does not admit it`;
      return `none of the ${allow.length} ALLOW policies admits it`;
    }
  }
}

/** What made the difference, in one line. */
function describeDifference(explanation: Explanation): string | undefined {
  const { decision, nearest } = explanation;
  switch (decision.code) {
    case 'ALLOWED':
    case 'DENIED': {
      const rule = findRule(decision.policy, decision.rule, explanation);
      return rule && `${nameRule(decision.policy, decision.rule, explanation)} ${renderMatchedRule(rule)}`;
    }
    case 'NOT_ALLOWED': {
      if (nearest !== undefined)
        return `${nameRule(nearest.policy, nearest.rule, explanation)} failed on ${renderFailures(nearest.failed)}`;
      return explanation.policies.some(isTooLong)
        ? 'its rules are too long to tell why'
        : 'no connection can meet any of its rules';
    }
    case 'NO_ALLOW_POLICIES':
    case 'POLICY_MISSING':
      return undefined;
  }
}

/** Whether it is an ALLOW policy with rules that are not told. */
function isTooLong({ action, dryRun, rules, more }: PolicyExplanation): boolean {
  return action === 'Allow' && !dryRun && (more > 0 || rules.some((rule) => rule.more > 0));
}

/** What the values do not tell. */
function renderCauses(explanation: Explanation): readonly string[] {
  const { decision, nearest, policies } = explanation;
  const guilty = policies.filter(
    ({ policy, action, dryRun }) =>
      policy === decision.policy || (decision.code === 'NOT_ALLOWED' && action === 'Allow' && !dryRun),
  );
  const ofPolicies = guilty.flatMap(({ policy, notes }) => notes.map((text) => `${policy}: ${text}`));
  const failed = nearest?.failed ?? [];
  // Behind a DENY that matches, only what a change below asks for, too.
  const relevant = failed.filter(({ field }) => field === 'destinationPorts' && changesPort(explanation));
  const ofFields = renderNotes(decision.code === 'NOT_ALLOWED' ? failed : relevant);
  return decision.allowed ? [] : [...ofFields, ...ofPolicies].slice(0, MOST_CAUSES).map((text) => `  note: ${text}`);
}

function changesPort({ connection, wouldPass }: Explanation): boolean {
  return wouldPass.some((change) => change.connection.destinationPort !== connection.destinationPort);
}

function renderShadow({ decision: { shadow, allowed } }: Explanation): readonly string[] {
  if (shadow === undefined || shadow.allowed === allowed) return [];
  const verdict = shadow.allowed ? 'pass' : `be denied (${shadow.reason})`;
  return [`  dry run: with all dry-run policies enforced, it would ${verdict}`];
}

function nameChange({ policy, rule }: PassingChange, explanation: Explanation): string {
  return nameRule(policy, rule, explanation);
}
