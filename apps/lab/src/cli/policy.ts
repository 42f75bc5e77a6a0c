import type { LabClient } from '../client/lab-client.ts';
import type { PolicyReport, PolicyStatus } from '../policies/policy-report.ts';
import { renderRestartNotice } from '../restart-notice.ts';
import { attachNamed } from './attach.ts';
import type { CliContext } from './context.ts';
import { readPolicyFiles } from './policy-files.ts';
import { printTable } from './status-tables.ts';
import type { Terminal } from './terminal.ts';

/** `lab policy apply`: from files and folders, `-` is stdin. Throws LAB_NOT_RUNNING, LAB_POLICY_INVALID, LAB_ARGUMENT_INVALID. */
export async function runPolicyApply(context: CliContext, name: string, files: readonly string[]): Promise<void> {
  const texts = await readPolicyFiles(context, files);
  await withLab(context, name, async (client) => printReport(context.out, await client.applyPolicies(...texts)));
}

/** `lab policy delete`. Throws LAB_NOT_RUNNING, LAB_NAME_UNKNOWN, LAB_ARGUMENT_INVALID. */
export async function runPolicyDelete(context: CliContext, name: string, objects: readonly string[]): Promise<void> {
  await withLab(context, name, async (client) => printReport(context.out, await client.deletePolicies(...objects)));
}

/** `lab policy list`. Throws LAB_NOT_RUNNING. */
export async function runPolicyList(
  context: CliContext,
  flags: { readonly name: string; readonly json?: boolean },
): Promise<void> {
  await withLab(context, flags.name, async (client) => {
    const policies = await client.policies();
    if (flags.json === true) context.write(`${JSON.stringify(policies, null, 2)}\n`);
    else printPolicies(context.out, policies);
  });
}

function printReport(out: Terminal, { changes, restarted }: PolicyReport): void {
  for (const { object, change, notes } of changes) {
    out.line(`${object} ${change}`);
    for (const note of notes) out.wrapped(note, { indent: 2, hang: 2, emphasis: 'yellow' });
  }
  if (restarted.length > 0) out.wrapped(renderRestartNotice(restarted), { indent: 0 });
}

/** Prints what is in force as a table without frames, then what there is to know of it. */
export function printPolicies(out: Terminal, policies: readonly PolicyStatus[]): void {
  if (policies.length === 0) out.line('no policies: everything is allowed');
  printTable(
    out,
    ['POLICY', 'EFFECT', 'PODS', 'CHANGED', 'STATUS'],
    policies.map((policy) => [
      policy.object,
      policy.dryRun ? `${policy.effect} (dry run)` : policy.effect,
      String(policy.pods.length),
      String(Math.max(0, policy.generation - 1)),
      statusOf(out, policy),
    ]),
  );
  for (const { object, generation, notes, refused } of policies) {
    const version = generation === 0 ? '' : 'newer version ';
    if (notes.length + refused.length === 0) continue;
    out.line();
    out.line(`  ${object}`);
    for (const { path, message } of refused)
      out.wrapped(`${version}refused: ${path}: ${message}`, { indent: 4, hang: 2, emphasis: 'red' });
    for (const note of notes) out.wrapped(note, { indent: 4, hang: 2, emphasis: 'yellow' });
  }
}

function statusOf(out: Terminal, policy: PolicyStatus): string {
  const { generation, accepted, confirmed, dryRun, pods, refused } = policy;
  if (generation === 0) return out.paint('red', 'refused, never in force');
  if (!accepted) return out.paint('yellow', 'not enforced');
  if (refused.length > 0) return out.paint('red', 'previous version in force');
  if (!confirmed) return out.paint('yellow', 'not confirmed by every node');
  if (dryRun) return out.paint('yellow', 'observed, not enforced');
  return pods.length === 0 ? out.paint('yellow', 'in force for no pod') : out.paint('green', 'in force');
}

async function withLab(context: CliContext, name: string, work: (client: LabClient) => Promise<void>): Promise<void> {
  const client = await attachNamed(context, name);
  try {
    await work(client);
  } finally {
    await client.close();
  }
}
