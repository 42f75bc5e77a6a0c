import type { PolicyObject } from '@ambientmesh/policy';
import type { PodSpec, ServiceSpec } from '../topology/topology.ts';

interface WrittenPort {
  readonly path: string;
  readonly port: string;
}

/**
 * Remarks on ports that are those of a service in front of the selected pods, and of none of the pods: policies see the
 * port of the pod.
 */
export function findServicePorts(
  object: PolicyObject,
  selected: readonly PodSpec[],
  services: readonly ServiceSpec[],
): readonly string[] {
  const names = new Set(selected.map(({ name }) => name));
  const inFront = services.filter(({ endpoints }) => endpoints.some((name) => names.has(name)));
  const ofPods = new Set(inFront.flatMap(({ ports }) => Object.values(ports).map(String)));
  return writtenPorts(object).flatMap(({ path, port }) => {
    const service = ofPods.has(port) ? undefined : inFront.find(({ ports }) => Object.hasOwn(ports, port));
    if (service === undefined) return [];
    const target = service.ports[port];
    return [`${path}: ${port} is the port of service ${service.name}; policies see that of its pods, ${target}`];
  });
}

function writtenPorts(object: PolicyObject): readonly WrittenPort[] {
  if (object.kind === 'PeerAuthentication')
    return Object.keys(object.spec?.portLevelMtls ?? {}).map((port) => ({ path: `spec.portLevelMtls[${port}]`, port }));
  return (object.spec?.rules ?? []).flatMap(({ to = [], when = [] }, rule) => [
    ...to.flatMap(({ operation }, index) =>
      (['ports', 'notPorts'] as const).flatMap((field) =>
        pathsOf(`spec.rules[${rule}].to[${index}].operation.${field}`, operation?.[field]),
      ),
    ),
    ...when.flatMap((condition, index) =>
      condition.key === 'destination.port'
        ? (['values', 'notValues'] as const).flatMap((field) =>
            pathsOf(`spec.rules[${rule}].when[${index}].${field}`, condition[field]),
          )
        : [],
    ),
  ]);
}

function pathsOf(path: string, ports: readonly string[] = []): readonly WrittenPort[] {
  return ports.map((port, index) => ({ path: `${path}[${index}]`, port }));
}
