import { expect, test } from 'vitest';
import { SourcePorts } from './source-ports.ts';

const to = { ip: '10.2.0.1', port: 80 };

test('every port of the parity that connect(2) does not prefer, one after the other, then from the beginning', () => {
  const ports = new SourcePorts(32_768, 32_777);
  const lap = Array.from({ length: 5 }, () => ports.next('10.1.0.1', to));
  expect(lap.toSorted((a, b) => a - b)).toEqual([32_769, 32_771, 32_773, 32_775, 32_777]);
  expect(Array.from({ length: 5 }, () => ports.next('10.1.0.1', to))).toEqual(lap);
});

test('an odd range: none above its end', () => {
  const ports = new SourcePorts(1025, 1027);
  expect([ports.next('10.1.0.1', to), ports.next('10.1.0.1', to)]).toEqual([1026, 1026]);
});

test('each pair of ends goes on by itself, also when others have come', () => {
  const ports = new SourcePorts(1, 65_535);
  const first = ports.next('10.1.0.1', to);
  for (let port = 1; port < 1000; port++) ports.next('10.1.0.1', { ip: to.ip, port: 1000 + port });
  ports.next('10.1.0.2', to);
  const next = first + 2 > 65_535 ? 2 : first + 2;
  expect(ports.next('10.1.0.1', to)).toBe(next);
});
