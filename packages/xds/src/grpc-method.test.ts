import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { IstioCertificateRequestSchema, IstioCertificateService } from './gen/istio/v1/auth/ca_pb.ts';
import { grpcMethod } from './grpc-method.ts';

const method = grpcMethod(IstioCertificateService.method.createCertificate);

test('12 the path of the method', () => {
  expect(method.path).toBe('/istio.v1.auth.IstioCertificateService/CreateCertificate');
  expect([method.requestStream, method.responseStream]).toEqual([false, false]);
});

test('12 field numbers on the wire', () => {
  const request = create(IstioCertificateRequestSchema, {
    csr: 'c',
    validityDuration: 5n,
    metadata: { ImpersonatedIdentity: 'i' },
  });
  const struct = `0a1b0a14${Buffer.from('ImpersonatedIdentity').toString('hex')}12031a0169`;
  expect(method.requestSerialize(request).toString('hex')).toBe(`0a01631805221d${struct}`);
  expect(method.requestDeserialize(method.requestSerialize(request))).toEqual(request);
  expect(method.responseDeserialize(Buffer.from('0a01610a0162', 'hex')).certChain).toEqual(['a', 'b']);
});
