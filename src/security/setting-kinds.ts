/** Kinds of what the table of security's settings has. A number that was given is never given again. */
export const SettingKind = {
  User: 1,
  ApiKey: 2,
  /** What only this data directory knows, such as with what the salts of unknown users are made. */
  Secret: 3,
  Role: 4,
  Ban: 5,
} as const;
