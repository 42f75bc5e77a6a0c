import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { grpcStatusName, isGrpcStatus, renderGrpcStatus } from './grpc-status.ts';

test('every code but OK has a name and a sentence', () => {
  const names = Object.keys(status).filter((name) => Number.isNaN(Number(name)) && name !== 'OK');
  expect(names.filter(isGrpcStatus)).toEqual(names);
  expect(names.filter(isGrpcStatus).map((name) => grpcStatusName(status[name]))).toEqual(names);
  expect(new Set(names.filter(isGrpcStatus).map(renderGrpcStatus)).size).toBe(16);
});

test.each([0, 17, -1, Number.NaN])('the number %d is UNKNOWN', (code) => {
  expect(grpcStatusName(code)).toBe('UNKNOWN');
});
