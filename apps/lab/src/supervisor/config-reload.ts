import { setTimeout as sleep } from 'node:timers/promises';
import { renderHangAdvice } from '../command-name.ts';
import { LabError } from '../errors.ts';
import type { NodeSpec } from '../topology/topology.ts';
import type { SupervisedProcess } from './supervised-process.ts';
import { isZtunnelReady, readMetrics, tellingLine } from './ztunnel-process.ts';

/** What a ztunnel that reads its file again when that changes says of the one that is in force. */
const IN_FORCE = /^ambientmesh_local_config_info\{(?:.*,)?sha256="([0-9a-f]{64})".*\} 1$/m;
/** It looks at the file when the kernel tells of a change; the rest is for a busy machine. */
const RELOAD_DEADLINE_MS = 10_000;
const POLL_MS = 25;

/**
 * Waits until a running ztunnel goes by the file with this digest. Resolves to `false` if it is one that reads its file
 * only when it starts. Throws LAB_ZTUNNEL_NOT_READY when the time is over: one that does not answer may hang.
 */
export async function untilConfigInForce(
  node: NodeSpec,
  ztunnel: Pick<SupervisedProcess, 'status'>,
  { sha256, deadlineMs: limitMs = RELOAD_DEADLINE_MS }: { readonly sha256: string; readonly deadlineMs?: number },
): Promise<boolean> {
  const deadlineMs = Date.now() + limitMs;
  let answered = false;
  let ready = false;
  for (let leftMs = limitMs; leftMs > 0; leftMs = deadlineMs - Date.now()) {
    if (!ztunnel.status().running) return true;
    const metrics = await readMetrics(node, leftMs).catch(() => undefined);
    answered ||= metrics !== undefined;
    const inForce = metrics === undefined ? undefined : IN_FORCE.exec(metrics)?.[1];
    if (inForce === sha256) return true;
    // One that is not ready yet may just not have read its first. It has to be ready before it is asked for that: asked after,
    // it may have become so, and have read it, in between.
    if (metrics !== undefined && inForce === undefined && ready) return false;
    ready = metrics !== undefined && (await isZtunnelReady(node));
    await sleep(POLL_MS);
  }
  const said = answered ? await tellingLine(node.name) : `it does not answer: ${renderHangAdvice(node.name)}`;
  throw new LabError(
    'LAB_ZTUNNEL_NOT_READY',
    `ztunnel@${node.name}: has not taken the changed mesh.yaml within ${limitMs} ms; ${said}`,
  );
}
