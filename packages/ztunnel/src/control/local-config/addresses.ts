import { isIP, isIPv6 } from 'node:net';
import { canonicalIp } from '@ambientmesh/netns';
import type { NetworkAddress } from '../../state/service.ts';
import type { GatewayAddress } from '../../state/workload.ts';
import { showBeginning, type YamlPlace } from './yaml-place.ts';

const maxPort = 65_535;

/** A port number, 0 included. */
export function readPort(place: YamlPlace): number {
  return place.integer(maxPort);
}

/** An IP address in canonical text. */
export function readIp(place: YamlPlace): string {
  return canonicalText(place.text()) ?? place.fail('invalid IP address syntax');
}

/** `network/IP`; the network may be empty. */
export function readNetworkAddress(place: YamlPlace): NetworkAddress {
  const text = place.text();
  const [network, ip] = splitFirst(text);
  const canonical = text.includes('/') ? canonicalText(ip) : undefined;
  if (canonical !== undefined) return { network, ip: canonical };
  return place.fail(
    `invalid value: string ${JSON.stringify(showBeginning(text))}, expected string for NetworkAddress with format network/IP`,
  );
}

/** `{destination: network/IP or namespace/hostname, hboneMtlsPort: n}`. */
export function readGateway(place: YamlPlace): GatewayAddress {
  const fields = place.fields(['destination', 'hboneMtlsPort']);
  const destination = fields.required('destination');
  const text = destination.text();
  if (!text.includes('/')) destination.fail(`failed to parse gateway destination: ${showBeginning(text)}`);
  const [first, second] = splitFirst(text);
  const ip = canonicalText(second);
  return {
    destination:
      ip === undefined
        ? { kind: 'hostname', namespace: first, hostname: second }
        : { kind: 'address', network: first, ip },
    hbonePort: readPort(fields.required('hboneMtlsPort')),
  };
}

/** A map from service port to target port. */
export function readPortMap(place: YamlPlace): ReadonlyMap<number, number> {
  const ports = new Map<number, number>();
  for (const [key, value, keyPlace] of place.entries()) {
    if (!/^\d{1,5}$/.test(key) || Number(key) > maxPort)
      keyPlace.fail(`invalid value: ${showBeginning(key)}, expected a port`);
    if (ports.has(Number(key))) keyPlace.fail(`duplicate field \`${showBeginning(key)}\``);
    ports.set(Number(key), readPort(value));
  }
  return ports;
}

/** One text for each address: IPv6 compressed and in lower case, v4-mapped as IPv4; undefined if it is none. */
export function canonicalText(text: string): string | undefined {
  const canonical = canonicalFamilyText(text);
  return canonical === undefined ? undefined : canonicalIp(canonical);
}

/** As {@link canonicalText}, but v4-mapped addresses stay IPv6. */
export function canonicalFamilyText(text: string): string | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  return isIPv6(text) ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text;
}

function splitFirst(text: string): [string, string] {
  const slash = text.indexOf('/');
  return [text.slice(0, slash), text.slice(slash + 1)];
}
