import {
  type AmbientPodRules,
  applyRules,
  buildAmbientPodRules,
  findTools,
  removeRules,
  type Tools,
  verifyRules,
  type WorkOptions,
} from '@ambientmesh/iptables';
import { LabError, messageOf } from '../errors.ts';
import type { NodeAgent } from './node-agent.ts';
import { podNetworking } from './pod-networking.ts';
import type { Pod } from './pods.ts';

/** Where a pod's network namespace is. */
export function namespacePath(pod: Pod): string {
  return `/run/netns/${pod.spec.name}`;
}

/**
 * Takes pods over and gives them back, as the node agent does: first the node's ztunnel listens in the pod, then the
 * pod's traffic is led to it, so that no connection finds a closed port. The pod's process is not touched.
 */
export class Enrolment {
  readonly #agents: ReadonlyMap<string, NodeAgent>;
  readonly #rules: AmbientPodRules;
  readonly #tools: Tools;
  readonly #enrolled = new Set<string>();

  private constructor(agents: ReadonlyMap<string, NodeAgent>, rules: AmbientPodRules, tools: Tools) {
    this.#agents = agents;
    this.#rules = rules;
    this.#tools = tools;
  }

  /** Throws LAB_TOOL_MISSING without iptables. */
  static async create(agents: ReadonlyMap<string, NodeAgent>, ipv6: boolean): Promise<Enrolment> {
    const rules = buildAmbientPodRules({ capture: 'tproxy', ipv6 });
    const tools = await findTools().catch((error: unknown) => {
      throw new LabError('LAB_TOOL_MISSING', messageOf(error), { cause: error });
    });
    return new Enrolment(agents, rules, tools);
  }

  /** Names of the pods in the mesh. */
  get enrolled(): ReadonlySet<string> {
    return this.#enrolled;
  }

  /**
   * Takes over all of `pods` that are not yet. All listen before the first is redirected: they may talk to one another.
   * Throws LAB_ENROL_FAILED that names the pods that failed; they are as before, the others are enrolled.
   */
  async enrol(pods: readonly Pod[]): Promise<void> {
    const fresh = pods.filter((pod) => !this.#enrolled.has(pod.spec.name));
    const deaf = await settleAll(fresh, (pod) => this.#agentOf(pod).add(pod));
    const listening = fresh.filter((pod) => !deaf.some((failure) => failure.pod === pod));
    throwIfAny([...deaf, ...(await settleAll(listening, (pod) => this.#redirect(pod)))]);
  }

  /**
   * Gives pods back: ztunnel ends its connections in the pod, then the traffic goes its own way again. In this order
   * the ends still reach the application: they are translated back by the rules. Throws LAB_ENROL_FAILED.
   */
  async unenrol(pods: readonly Pod[]): Promise<void> {
    const enrolled = pods.filter((pod) => this.#enrolled.has(pod.spec.name));
    const failures = await settleAll(enrolled, async (pod) => {
      try {
        await this.#agentOf(pod).remove(pod);
      } finally {
        await removeRules(this.#rules, this.#placeOf(pod));
        this.#enrolled.delete(pod.spec.name);
      }
    });
    throwIfAny(failures);
  }

  async #redirect(pod: Pod): Promise<void> {
    const place = this.#placeOf(pod);
    try {
      await applyRules(this.#rules, place);
      const found = await verifyRules(this.#rules, place);
      if (!found.intact)
        throw new LabError('LAB_KERNEL_LACKS', [...found.v4.differences, ...found.v6.differences].join('; '));
    } catch (error) {
      await this.#agentOf(pod).remove(pod);
      throw error;
    }
    this.#enrolled.add(pod.spec.name);
  }

  #placeOf(pod: Pod): WorkOptions {
    return { namespace: namespacePath(pod), tools: this.#tools, networking: podNetworking };
  }

  #agentOf(pod: Pod): NodeAgent {
    const agent = this.#agents.get(pod.spec.node);
    if (agent === undefined) throw new LabError('LAB_ENROL_FAILED', `node ${pod.spec.node} has no agent`);
    return agent;
  }
}

interface Failure {
  readonly pod: Pod;
  readonly error: unknown;
}

/** Does the work for all, whatever happens to one, and returns what failed. */
async function settleAll(pods: readonly Pod[], work: (pod: Pod) => Promise<void>): Promise<Failure[]> {
  const results = await Promise.allSettled(pods.map(work));
  return pods.flatMap((pod, index) => {
    const result = results[index];
    return result?.status === 'rejected' ? [{ pod, error: result.reason }] : [];
  });
}

function throwIfAny(failures: readonly Failure[]): void {
  const [first] = failures;
  if (first === undefined) return;
  const said = failures.map(({ pod, error }) => `pod ${pod.spec.name}: ${messageOf(error)}`);
  throw new LabError('LAB_ENROL_FAILED', said.join('; '), { cause: first.error });
}
