-- What holds of users and user_credentials beyond their constraints.
-- Every row returned is a problem.

-- UNIQUE tells capitals apart; people and mail servers do not.
SELECT id AS user_id,
       'another account has this email in other capitals' AS problem
  FROM (SELECT id, count(*) OVER (PARTITION BY lower(email)) AS accounts
          FROM users) AS counted
 WHERE accounts > 1;

SELECT id AS credential_id,
       'a key, secret, iv or salt is empty and cannot be decrypted' AS problem
  FROM user_credentials
 WHERE '' IN (api_key_encrypted, api_secret_encrypted, encryption_iv, encryption_salt);
