import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Policy } from '../policy.ts';
import { arbitraryConnection, arbitraryPolicies, arbitraryWorkload } from '../testing/arbitrary-mesh.ts';
import { evaluateNaively } from '../testing/naive-evaluation.ts';
import { parseAccessLog } from './access-log.ts';
import type { RecordedConnection } from './recorded-connection.ts';
import { renderWhatIf } from './render-what-if.ts';
import { type WhatIfQuestion, whatIf } from './what-if.ts';

const SLEEP = { trustDomain: 'cluster.local', namespace: 'default', serviceAccount: 'sleep' };
const ALLOW_SLEEP: Policy = {
  name: 'allow-sleep',
  namespace: 'default',
  scope: 'Namespace',
  action: 'Allow',
  dryRun: false,
  rules: [[[{ principals: [{ kind: 'exact', value: 'cluster.local/ns/default/sa/sleep' }] }]]],
};
const DENY_8000: Policy = {
  ...ALLOW_SLEEP,
  name: 'deny-8000',
  action: 'Deny',
  rules: [[[{ destinationPorts: [8000] }]]],
};

/** A log that could be read as a whole. */
function logOf(...connections: readonly RecordedConnection[]): WhatIfQuestion['log'] {
  return { connections, unreadable: { count: 0, first: [] } };
}

function recorded(changes: Partial<RecordedConnection> = {}): RecordedConnection {
  return {
    line: 1,
    time: '2026-08-20T10:00:00.123456Z',
    workload: { namespace: 'default', name: 'httpbin' },
    connection: { identity: SLEEP, sourceIp: '10.0.0.1', destinationIp: '10.0.0.2', destinationPort: 8000 },
    portUncertain: false,
    tunnelTarget: '10.0.0.2:8000',
    recorded: { outcome: 'allowed' },
    ...changes,
  };
}
const PLAIN = recorded({ line: 2, connection: { ...recorded().connection, identity: undefined } });
const BY_NAME = recorded({ portUncertain: true, tunnelTarget: 'httpbin.default.svc.cluster.local:80' });
const none = () => [];
const missingAfter = (_workload: unknown, when: 'before' | 'after') => (when === 'after' ? ['a/b'] : []);

test('tells which verdicts change, why, and how many do not', () => {
  const answer = whatIf({
    policies: [],
    changed: [ALLOW_SLEEP],
    log: logOf(recorded(), PLAIN, { ...PLAIN, line: 9 }),
    policiesOf: none,
  });
  expect(answer.counts).toEqual({ connections: 3, changed: 2, unchanged: 1, undecided: 0, contradicting: 0 });
  expect(answer.exitCode).toBe(1);
  expect(answer.changes).toHaveLength(1);
  expect(answer.changes[0]).toMatchObject({
    sample: PLAIN,
    workload: { namespace: 'default', name: 'httpbin' },
    count: 2,
    lines: [2, 9],
    recorded: { allowed: 2, denied: 0, unknown: 0 },
    before: { code: 'NO_ALLOW_POLICIES' },
    after: { code: 'NOT_ALLOWED' },
    explanation: { nearest: { policy: 'default/allow-sleep', rule: 0 } },
  });
});

test('nothing changes: exit code 0', () => {
  const answer = whatIf({
    policies: [ALLOW_SLEEP],
    changed: [ALLOW_SLEEP],
    log: logOf(recorded()),
    policiesOf: none,
  });
  expect(answer).toMatchObject({ changes: [], undecided: [], contradictions: [], exitCode: 0 });
});

test('dry-run policies change nothing', () => {
  const changed = [{ ...DENY_8000, dryRun: true }];
  expect(whatIf({ policies: [], changed, log: logOf(recorded()), policiesOf: none }).exitCode).toBe(0);
});

describe('what the log does not tell', () => {
  test.each([
    ['no line', '', 0, 'nothing was judged: the log has no inbound connections'],
    ['no line that can be read', 'x\ny\n', 2, '2 lines of the log cannot be read'],
    ['lines of other things', '{"scope":"x"}\n', 0, 'nothing was judged: the log has no inbound connections'],
  ])('%s: nothing is certain', (_name, text, unreadable, told) => {
    const answer = whatIf({ policies: [], changed: [DENY_8000], log: parseAccessLog(text), policiesOf: none });
    expect(answer).toMatchObject({ unreadable: { count: unreadable }, exitCode: 3 });
    expect(renderWhatIf(answer)).toContain(told);
  });

  test('a line that cannot be read may be of a connection that changes its verdict', () => {
    const log = { ...logOf(recorded()), unreadable: { count: 1, first: [{ line: 7, reason: 'cut \u0007 off' }] } };
    const same = whatIf({ policies: [], changed: [], log, policiesOf: none });
    expect(same).toMatchObject({ counts: { unchanged: 1 }, unreadable: log.unreadable, exitCode: 3 });
    expect(renderWhatIf(same)).toContain('1 line of the log cannot be read\n    line 7: cut \\u0007 off\n');
    expect(whatIf({ policies: [], changed: [DENY_8000], log, policiesOf: none }).exitCode).toBe(1);
  });

  test('the port of the pod: undecided if the verdict depends on it', () => {
    const answer = whatIf({ policies: [], changed: [DENY_8000], log: logOf(BY_NAME), policiesOf: none });
    expect(answer).toMatchObject({ changes: [], undecided: [{ cause: 'port', count: 1 }], exitCode: 3 });
    expect(answer.counts).toMatchObject({ undecided: 1, unchanged: 0 });
  });

  test.each([
    ['does not', [DENY_8000], [DENY_8000, { ...DENY_8000, name: 'all', rules: [[]] }], 'port'],
    ['does', [], [DENY_8000, { ...DENY_8000, name: 'all', rules: [[]] }], 'changed'],
    ['names no port', [], [ALLOW_SLEEP], 'unchanged'],
  ])('the port of the pod: decided only if it is the same for all; before %s', (_name, policies, changed, outcome) => {
    const { counts } = whatIf({ policies, changed, log: logOf(BY_NAME), policiesOf: none });
    expect(outcome === 'port' ? counts.undecided : outcome === 'changed' ? counts.changed : counts.unchanged).toBe(1);
  });

  test('the port of the pod, told by the caller', () => {
    const question = { policies: [], changed: [DENY_8000], log: logOf(BY_NAME), policiesOf: none };
    const answer = whatIf({ ...question, portOf: () => 8000 });
    expect(answer.changes).toMatchObject([{ connection: { destinationPort: 8000 }, after: { code: 'DENIED' } }]);
    expect(whatIf({ ...question, portOf: () => 8001 }).exitCode).toBe(0);
    expect(whatIf({ ...question, portOf: () => undefined }).exitCode).toBe(3);
  });

  test('the labels of the workload: undecided as soon as policies have selectors', () => {
    const selecting: Policy = { ...DENY_8000, scope: 'WorkloadSelector' };
    const log = logOf(recorded());
    const unknown = whatIf({ policies: [], changed: [selecting], log, policiesOf: () => undefined });
    expect(unknown).toMatchObject({ undecided: [{ cause: 'workload' }], exitCode: 3 });
    const irrelevant = whatIf({ policies: [], changed: [DENY_8000], log, policiesOf: () => undefined });
    expect(irrelevant.exitCode).toBe(1);
    const known = whatIf({
      policies: [],
      changed: [selecting],
      log,
      policiesOf: (workload, when) => (workload.name === 'httpbin' && when === 'after' ? ['default/deny-8000'] : []),
    });
    expect(known).toMatchObject({ changes: [{ after: { policy: 'default/deny-8000' } }], undecided: [] });
  });

  test('the policies in force then: what contradicts these is told', () => {
    const denied = { outcome: 'denied', reason: 'x', policy: undefined, late: false } as const;
    const log = logOf(
      recorded({ line: 1, recorded: denied }),
      recorded({ line: 2 }),
      recorded({ line: 3, recorded: { outcome: 'unknown' } }),
      PLAIN,
    );
    const answer = whatIf({ policies: [ALLOW_SLEEP], changed: [ALLOW_SLEEP], log, policiesOf: none });
    expect(answer.counts).toMatchObject({ contradicting: 2, unchanged: 4 });
    expect(answer.contradictions).toMatchObject([
      { count: 3, contradicting: 1, expected: { allowed: true }, recorded: { allowed: 1, denied: 1, unknown: 1 } },
      { count: 1, contradicting: 1, expected: { allowed: false } },
    ]);
  });
});

test('policies that are named and missing deny, or are skipped', () => {
  const question = { policies: [], changed: [], log: logOf(recorded()) };
  expect(whatIf({ ...question, policiesOf: missingAfter }).changes).toMatchObject([
    { after: { code: 'POLICY_MISSING' } },
  ]);
  expect(whatIf({ ...question, policiesOf: missingAfter, missing: 'skip' }).exitCode).toBe(0);
});

describe('text', () => {
  test('of changes, of what is undecided and of contradictions', () => {
    const deny: Policy = { ...DENY_8000, scope: 'WorkloadSelector' };
    const connections = [
      recorded(),
      PLAIN,
      { ...BY_NAME, line: 4 },
      recorded({ line: 5, workload: { namespace: 'x', name: 'y' } }),
    ];
    const text = renderWhatIf(
      whatIf({
        policies: [],
        changed: [ALLOW_SLEEP, deny],
        log: logOf(
          ...connections,
          recorded({ line: 6, recorded: { outcome: 'denied', reason: 'x', policy: undefined, late: false } }),
        ),
        policiesOf: ({ namespace }, when) =>
          namespace === 'x' ? undefined : when === 'before' ? [] : ['default/deny-8000'],
      }),
    );
    const lines = text.split('\n').filter((line) => /^\S/.test(line));
    expect(lines).toEqual([
      '5 recorded connections: 3 judged otherwise, 0 as before, 2 undecided',
      'allowed -> denied: cluster.local/ns/default/sa/sleep from 10.0.0.1 to default/httpbin, port 8000 (2 times: lines 1, 6)',
      'allowed -> denied: plain text from 10.0.0.1 to default/httpbin, port 8000 (line 2)',
      'undecided: cluster.local/ns/default/sa/sleep from 10.0.0.1 to default/httpbin, httpbin.default.svc.cluster.local:80 (line 4)',
      'undecided: cluster.local/ns/default/sa/sleep from 10.0.0.1 to x/y, port 8000 (line 5)',
      'recorded otherwise: cluster.local/ns/default/sa/sleep from 10.0.0.1 to default/httpbin, port 8000 (2 times: lines 1, 6)',
    ]);
    expect(text).toContain('    1 of 2 were denied, which these policies allow: others were in force then\n');
    expect(text).toContain('default/deny-8000');
  });

  test('names of a log neither forge lines nor steer the terminal', () => {
    const forged = recorded({ workload: { namespace: 'a\u001b[2J', name: 'b\r\nallowed -> denied' } });
    const text = renderWhatIf(whatIf({ policies: [ALLOW_SLEEP], changed: [], log: logOf(forged), policiesOf: none }));
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(text).not.toMatch(/^allowed/m);
    const changed = [{ ...DENY_8000, namespace: 'a\u001b[2J' }];
    const change = renderWhatIf(whatIf({ policies: [], changed, log: logOf(forged), policiesOf: none }));
    expect(change.match(/^allowed -> denied.*/gm)).toEqual([
      'allowed -> denied: cluster.local/ns/default/sa/sleep from 10.0.0.1 to a\\u001b[2J/b\\u000d\\u000aallowed -> denied, port 8000 (line 1)',
    ]);
  });

  test('is bounded', () => {
    const connections = Array.from({ length: 150 }, (_, index) =>
      recorded({ connection: { ...recorded().connection, sourceIp: `10.0.1.${index}` } }),
    );
    const answer = whatIf({ policies: [], changed: [DENY_8000], log: logOf(...connections), policiesOf: none });
    expect(answer.changes).toHaveLength(150);
    expect(answer.changes.filter(({ explanation }) => explanation !== undefined)).toHaveLength(100);
    const text = renderWhatIf(answer);
    expect(text.match(/^allowed -> denied/gm)).toHaveLength(20);
    expect(text).toContain('… and 130 more of this kind\n');
  });
});

test('from a log to an answer', () => {
  const line = `2026-08-20T10:00:00.123456Z\tinfo\taccess\tconnection complete\tsrc.addr=10.0.0.1:1 src.identity="spiffe://cluster.local/ns/default/sa/sleep" dst.addr=10.0.0.2:15008 dst.hbone_addr=10.0.0.2:8000 dst.workload="httpbin" dst.namespace="default" direction="inbound" bytes_sent=1 bytes_recv=1 duration="1ms"\n`;
  const log = parseAccessLog(line.repeat(30));
  const answer = whatIf({ policies: [], changed: [DENY_8000], log, policiesOf: none });
  expect(answer.changes).toMatchObject([{ count: 30, lines: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }]);
});

test('agrees with asking for every connection and every port, one by one', () => {
  /** Random policies name no others than 80 and 81. */
  const ports = [80, 81, 7];
  fc.assert(
    fc.property(
      arbitraryPolicies,
      arbitraryPolicies,
      arbitraryWorkload,
      fc.array(fc.tuple(arbitraryConnection, fc.boolean()), { maxLength: 5 }),
      (policies, changed, workload, list) => {
        const connections = list.map(([connection, portUncertain]) =>
          recorded({
            connection,
            portUncertain,
            workload: { namespace: workload.namespace, name: 'w' },
            tunnelTarget: `h:${connection.destinationPort}`,
          }),
        );
        const { counts } = whatIf({
          policies,
          changed,
          log: logOf(...connections),
          policiesOf: () => workload.authorizationPolicies,
        });
        const outcomes = list.map(([connection, portUncertain]) => {
          const pairs = (portUncertain ? ports : [connection.destinationPort]).map((destinationPort) =>
            [policies, changed].map((set) => {
              const code = evaluateNaively(set, { ...connection, destinationPort }, workload);
              return code === 'ALLOWED' || code === 'NO_ALLOW_POLICIES';
            }),
          );
          const different = new Set(pairs.map(String));
          if (different.size > 1) return 'undecided';
          return pairs[0]?.[0] === pairs[0]?.[1] ? 'unchanged' : 'changed';
        });
        for (const outcome of ['changed', 'unchanged', 'undecided'] as const)
          expect(counts[outcome]).toBe(outcomes.filter((each) => each === outcome).length);
      },
    ),
    { numRuns: 400 },
  );
});
