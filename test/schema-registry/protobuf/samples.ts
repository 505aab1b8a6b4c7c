/** Files of Protobuf with about everything that there is, and what protoc makes of them. */
export const RICH = `// Everything that a file may have.
syntax = "proto3";
package a.b;

import "google/protobuf/timestamp.proto";
import public "google/protobuf/any.proto";

option java_package = "com.x";
option go_package = "x/y";
option optimize_for = CODE_SIZE;
option java_multiple_files = true;

/* The outer one. */
message Outer {
  reserved 100 to 110, 200;
  reserved "gone", "away";
  option deprecated = true;
  string name = 1;
  optional int32 maybe_set = 2;
  repeated sint64 some_numbers = 3 [packed = false];
  map<string, Inner> by_name = 4;
  oneof choice {
    Inner inner = 5;
    bytes raw = 6 [deprecated = true];
  }
  google.protobuf.Timestamp at = 7;
  Kind kind = 8;
  Inner.Deep deep = 9 [json_name = "deepest"];
  .a.b.Other other = 10;
  message Inner {
    message Deep { fixed64 x = 1; }
    bool flag = 1;
  }
  map<int64, Kind> kinds = 11;
}
message Other {}
enum Kind {
  option allow_alias = true;
  UNKNOWN = 0;
  NONE = 0;
  SOME = 5 [deprecated = true];
  NEGATIVE = -1;
  reserved 7 to 9, 20 to max;
  reserved "OLD";
}
service Calls {
  rpc One (Outer) returns (stream Other) { option idempotency_level = IDEMPOTENT; }
  rpc Two (stream Outer.Inner) returns (.a.b.Other);
}
`;
export const RICH_DESCRIPTOR =
  'CgpyaWNoLnByb3RvEgNhLmIaH2dvb2dsZS9wcm90b2J1Zi90aW1lc3RhbXAucHJvdG8aGWdvb2dsZS9wcm90b2J1Zi9hbnkucHJv' +
  'dG8imgUKBU91dGVyEhIKBG5hbWUYASABKAlSBG5hbWUSIAoJbWF5YmVfc2V0GAIgASgFSAFSCG1heWJlU2V0iAEBEiUKDHNvbWVf' +
  'bnVtYmVycxgDIAMoEkICEABSC3NvbWVOdW1iZXJzEi8KB2J5X25hbWUYBCADKAsyFi5hLmIuT3V0ZXIuQnlOYW1lRW50cnlSBmJ5' +
  'TmFtZRIoCgVpbm5lchgFIAEoCzIQLmEuYi5PdXRlci5Jbm5lckgAUgVpbm5lchIWCgNyYXcYBiABKAxCAhgBSABSA3JhdxIqCgJh' +
  'dBgHIAEoCzIaLmdvb2dsZS5wcm90b2J1Zi5UaW1lc3RhbXBSAmF0Eh0KBGtpbmQYCCABKA4yCS5hLmIuS2luZFIEa2luZBIsCgRk' +
  'ZWVwGAkgASgLMhUuYS5iLk91dGVyLklubmVyLkRlZXBSB2RlZXBlc3QSIAoFb3RoZXIYCiABKAsyCi5hLmIuT3RoZXJSBW90aGVy' +
  'EisKBWtpbmRzGAsgAygLMhUuYS5iLk91dGVyLktpbmRzRW50cnlSBWtpbmRzGksKC0J5TmFtZUVudHJ5EhAKA2tleRgBIAEoCVID' +
  'a2V5EiYKBXZhbHVlGAIgASgLMhAuYS5iLk91dGVyLklubmVyUgV2YWx1ZToCOAEaMQoFSW5uZXISEgoEZmxhZxgBIAEoCFIEZmxh' +
  'ZxoUCgREZWVwEgwKAXgYASABKAZSAXgaQwoKS2luZHNFbnRyeRIQCgNrZXkYASABKANSA2tleRIfCgV2YWx1ZRgCIAEoDjIJLmEu' +
  'Yi5LaW5kUgV2YWx1ZToCOAE6AhgBQggKBmNob2ljZUIMCgpfbWF5YmVfc2V0SgQIZBBvSgYIyAEQyQFSBGdvbmVSBGF3YXkiBwoF' +
  'T3RoZXIqWwoES2luZBILCgdVTktOT1dOEAASCAoETk9ORRAAEgwKBFNPTUUQBRoCCAESFQoITkVHQVRJVkUQ////////////ARoC' +
  'EAEiBAgHEAkiCAgUEP////8HKgNPTEQyVAoFQ2FsbHMSJAoDT25lEgouYS5iLk91dGVyGgouYS5iLk90aGVyIgOQAgIwARIlCgNU' +
  'd28SEC5hLmIuT3V0ZXIuSW5uZXIaCi5hLmIuT3RoZXIoAUIQCgVjb20ueEgCUAFaA3gveVABYgZwcm90bzM=';

export const OLD = `syntax = "proto2";
package old;
message Message {
  required string name = 1 [default = "a\\"b\\n"];
  optional int32 number = 2 [default = -5];
  optional bytes raw = 3 [default = "\\001x"];
  optional Kind kind = 4 [default = TWO];
  repeated group Result = 5 {
    optional string url = 1;
    optional double score = 2 [default = 1e3];
  }
  extensions 100 to 199;
  extensions 1000 to max;
  extend Message { optional string nested = 101; }
  enum Kind { ONE = 1; TWO = 2; }
  optional float infinite = 6 [default = inf];
  optional bool yes = 7 [default = true];
}
extend Message {
  optional int32 extra = 100;
  repeated Message.Kind kinds = 102;
}
`;
export const OLD_DESCRIPTOR =
  'CglvbGQucHJvdG8SA29sZCL0AgoHTWVzc2FnZRIYCgRuYW1lGAEgAigJOgRhImIKUgRuYW1lEhoKBm51bWJlchgCIAEoBToCLTVS' +
  'Bm51bWJlchIXCgNyYXcYAyABKAw6BVwwMDF4UgNyYXcSKgoEa2luZBgEIAEoDjIRLm9sZC5NZXNzYWdlLktpbmQ6A1RXT1IEa2lu' +
  'ZBIrCgZyZXN1bHQYBSADKAoyEy5vbGQuTWVzc2FnZS5SZXN1bHRSBnJlc3VsdBIfCghpbmZpbml0ZRgGIAEoAjoDaW5mUghpbmZp' +
  'bml0ZRIWCgN5ZXMYByABKAg6BHRydWVSA3llcxo2CgZSZXN1bHQSEAoDdXJsGAEgASgJUgN1cmwSGgoFc2NvcmUYAiABKAE6BDEw' +
  'MDBSBXNjb3JlIhgKBEtpbmQSBwoDT05FEAESBwoDVFdPEAIqBQhkEMgBKgkI6AcQgICAgAIyJAoGbmVzdGVkEgwub2xkLk1lc3Nh' +
  'Z2UYZSABKAlSBm5lc3RlZDoiCgVleHRyYRIMLm9sZC5NZXNzYWdlGGQgASgFUgVleHRyYTo1CgVraW5kcxIMLm9sZC5NZXNzYWdl' +
  'GGYgAygOMhEub2xkLk1lc3NhZ2UuS2luZFIFa2luZHM=';
