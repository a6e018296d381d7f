/** Which repository a remote of Git's names. */
import { expect, test } from "vitest";
import { parseRemote } from "../../../../cli/targets/ci/repository.ts";

test.each([
  ["https://github.com/my-org/my-repo.git", { ciProvider: "github", repository: "my-org/my-repo" }],
  ["https://github.com/my-org/my-repo", { ciProvider: "github", repository: "my-org/my-repo" }],
  ["https://github.com/my-org/my-repo/", { ciProvider: "github", repository: "my-org/my-repo" }],
  ["https://user:token@github.com/my-org/my.repo.git\n", { ciProvider: "github", repository: "my-org/my.repo" }],
  ["git@github.com:my-org/my-repo.git", { ciProvider: "github", repository: "my-org/my-repo" }],
  ["ssh://git@github.com/my-org/my-repo.git", { ciProvider: "github", repository: "my-org/my-repo" }],
  ["git@gitlab.com:group/sub/project.git", { ciProvider: "gitlab", repository: "group/sub/project" }],
  ["https://gitlab.com/group/project.git", { ciProvider: "gitlab", repository: "group/project" }],
])("%s", (url, expected) => {
  expect(parseRemote(url)).toEqual(expected);
});

test.each([
  ["another host", "https://git.example.com/my-org/my-repo.git"],
  ["a host whose name only begins so", "https://github.com.example.com/my-org/my-repo.git"],
  ["a folder", "/srv/git/my-repo.git"],
  ["an owner without a repository", "https://github.com/my-org"],
  ["nothing", ""],
])("%s names none", (_, url) => {
  expect(parseRemote(url)).toBeNull();
});
