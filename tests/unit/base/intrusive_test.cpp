// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/intrusive.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace hawser {
namespace {

struct item : list_hook {
  explicit item(int n) : number(n) {}
  int number;
};

std::vector<int> drain(intrusive_list<item>& list) {
  std::vector<int> numbers;
  while (item* next = list.pop_front()) numbers.push_back(next->number);
  return numbers;
}

TEST(intrusive_list, gives_items_in_the_order_they_came) {
  intrusive_list<item> list;
  item a(1), b(2), c(3);
  list.push_back(b);
  list.push_back(c);
  list.push_front(a);
  EXPECT_EQ(drain(list), (std::vector{1, 2, 3}));
}

TEST(intrusive_list, a_destroyed_item_leaves_by_itself) {
  intrusive_list<item> list;
  item a(1), c(3);
  list.push_back(a);
  {
    item b(2);
    list.push_back(b);
    list.push_back(c);
  }
  EXPECT_EQ(drain(list), (std::vector{1, 3}));
}

TEST(intrusive_list, a_destroyed_list_unlinks_its_items) {
  item a(1);
  {
    intrusive_list<item> list;
    list.push_back(a);
  }
  EXPECT_FALSE(a.linked());
}

TEST(intrusive_list, splicing_moves_everything_in_order) {
  intrusive_list<item> to, from;
  item a(1), b(2), c(3);
  to.push_back(a);
  from.push_back(b);
  from.push_back(c);
  to.splice_back(from);
  EXPECT_TRUE(from.empty());
  EXPECT_EQ(drain(to), (std::vector{1, 2, 3}));
}

TEST(intrusive_list, pushing_a_linked_item_moves_it) {
  intrusive_list<item> list;
  item a(1), b(2);
  list.push_back(a);
  list.push_back(b);
  list.push_back(a);
  list.push_front(b);
  EXPECT_EQ(drain(list), (std::vector{2, 1}));
}

}  // namespace
}  // namespace hawser
